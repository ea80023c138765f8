"""Visits: how often an account has logged in, and after how many times it may not."""

import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.api.deps import Autocommit, CurrentUser
from app.api.errors import UNAUTHORIZED
from app.api.feature import Feature
from app.api.login_routes import Mount
from app.api.oauth_errors import OAuthError, Refusal
from app.auth.accounts import Account
from app.auth.clients import Client
from app.auth.notices import notify
from app.core.config import FeatureSettings, load
from app.core.database import Database
from app.models import Base
from app.schemas.responses import Response


class VisitSettings(FeatureSettings):
    visits_per_account: int = Field(default=1000, ge=1)


visit_settings = load(VisitSettings)


class Visits(Base):
    __tablename__ = "visits"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int]


class VisitsResponse(Response):
    number: Annotated[int, Field(examples=[1])]


TOO_MANY = Refusal("too_many_visits", "No visits left", 403)


async def count_visit(database: Database, account: Account, _: Client, __: str) -> None:
    """A login step: one visit more. Raises the 403."""
    new = insert(Visits).values(user_id=account.id, number=1)
    one_more = new.on_conflict_do_update(index_elements=[Visits.user_id], set_={"number": Visits.number + 1})
    async with database.session() as session:
        number = await session.scalar(one_more.returning(Visits.number))
        if number == 1:
            notify(session, "first_visit", account.email, account.id, left=visit_settings.visits_per_account - 1)
        await session.commit()
    if number is None or number > visit_settings.visits_per_account:
        raise OAuthError(TOO_MANY)


router = APIRouter(responses=UNAUTHORIZED)


@router.get("/me")
async def read_my_visits(user: CurrentUser, autocommit: Autocommit) -> VisitsResponse:
    """Read how often the caller has logged in."""
    row = await autocommit.fetch_one(select(Visits.number).where(Visits.user_id == user.id))
    return VisitsResponse(number=row.number if row else 0)


visits = Feature(
    name="visits",
    mounts=[Mount("/visits", router)],
    login_steps=[count_visit],
    login_refusals=[TOO_MANY],
)
