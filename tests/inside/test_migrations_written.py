"""Migrations that Alembic writes from models, wherever these lie, and what it says when it can't."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.tests.helpers import connect, make_empty
from app.tests.other_settings import other_settings

pytestmark = pytest.mark.timeout(600)  # each runs Alembic many times, which takes seconds

IMPORTS = """
import uuid
from enum import Enum, StrEnum

from sqlalchemy import ARRAY, ForeignKey
from sqlalchemy import Enum as EnumType
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, PrimaryKey
"""


class Project:
    """A copy of the project, with an empty database of its own."""

    def __init__(self, folder: Path, database: AsyncConnection, url: str) -> None:
        self.folder = folder
        self.database = database
        self.url = url

    def write(self, path: str, content: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    async def run(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            cwd=self.folder,
            env=os.environ | {"TEST_DATABASE_URL": self.url},
            stdout=PIPE,
            stderr=STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode is not None
        return process.returncode, said

    async def alembic(self, *arguments: str) -> str:
        if arguments[0] in {"upgrade", "downgrade"}:  # sooner than by a process, and without the copy's models
            run = {"upgrade": command.upgrade, "downgrade": command.downgrade}[arguments[0]]
            with other_settings(TEST_DATABASE_URL=self.url):
                await asyncio.to_thread(run, Config(self.folder / "alembic.ini"), arguments[1])
            return ""
        status, said = await self.run("-m", "alembic", *arguments)
        assert status == 0, said
        return said

    async def refusal(self, *arguments: str) -> str:
        status, said = await self.run("-m", "alembic", *arguments)
        assert status != 0, said
        assert "Traceback" not in said
        return said.splitlines()[-1]

    async def revision(self, message: str) -> str:
        """Have Alembic write a migration; returns its text."""
        before = set(self.versions)
        await self.alembic("revision", "--autogenerate", "--message", message)
        (path,) = set(self.versions) - before
        return path.read_text()

    @property
    def versions(self) -> list[Path]:
        return sorted((self.folder / "alembic/versions").glob("*.py"))

    async def walk(self) -> None:
        """Up, down and up again."""
        await self.alembic("upgrade", "head")
        await self.alembic("downgrade", "-1")
        await self.alembic("upgrade", "head")

    async def scalars(self, statement: str) -> list[str]:
        return [str(value) for value in await self.database.scalars(text(statement))]

    async def enums(self) -> list[str]:
        return await self.scalars("SELECT typname FROM pg_type WHERE typtype = 'e' ORDER BY 1")

    async def tables(self) -> list[str]:
        return await self.scalars("SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'shop') ORDER BY 1")


@pytest.fixture
async def project(application: None, tmp_path: Path) -> AsyncIterator[Project]:
    for name in ("app", "alembic"):
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(PROJECT_DIR / name, tmp_path / name, ignore=ignored)
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(PROJECT_DIR / name, tmp_path)
    url = settings.sqlalchemy_url.set(database=f"{settings.sqlalchemy_url.database}_written")
    await make_empty(url, settings.sqlalchemy_url)
    async with connect(url) as database:
        project = Project(tmp_path, database, url.set(drivername="postgresql").render_as_string(hide_password=False))
        yield project


ORDER = """
class Order(Base):
    __tablename__ = "orders"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
"""


async def test_a_model_counts_wherever_it_lies(project: Project) -> None:
    await project.alembic("upgrade", "head")
    for path, table in (
        ("app/shop/models.py", "orders"),
        ("app/shop/stock/models/goods.py", "goods"),
        ("app/shop/tables.py", "invoices"),
    ):
        project.write(path, IMPORTS + ORDER.replace("Order", table.title()).replace("orders", table))
    # Nobody imports them but, where its name doesn't tell that it has models, a route.
    health = project.folder / "app/api/endpoints/health.py"
    health.write_text(health.read_text() + "\nimport app.shop.tables\n")
    await project.revision("add a shop")
    await project.walk()
    assert {"orders", "goods", "invoices"} <= {*await project.tables()}
    assert "No new upgrade operations" in await project.alembic("check")


async def test_an_enum_type_comes_and_goes_with_what_uses_it(project: Project) -> None:
    await project.alembic("upgrade", "head")
    kinds = """
class Kind(StrEnum):
    small = "small: 1 %"
    large = "large :size"


class Colour(StrEnum):
    red = "red"


"""
    kind = "    kind: Mapped[Kind] = mapped_column(EnumType(Kind, values_callable=lambda e: [k.value for k in e]))\n"
    other = ORDER.replace("Order", "Offer").replace("orders", "offers")
    colours = '    colours: Mapped[list[Colour]] = mapped_column(ARRAY(EnumType(Colour, name="colour")))\n'
    project.write("app/shop/models.py", IMPORTS + kinds + ORDER + kind + other + kind + colours)
    await project.revision("add orders and offers")  # two tables with one type
    await project.walk()
    assert await project.enums() == ["colour", "kind"]
    assert await project.scalars("SELECT unnest(enum_range(NULL::kind))") == ["small: 1 %", "large :size"]

    # The last use of colour goes, and one of two of kind.
    project.write("app/shop/models.py", IMPORTS + kinds + ORDER + kind + other)
    assert "'execute', 'DROP TYPE colour'" in await project.refusal("check")
    await project.revision("drop colours")
    await project.walk()
    assert await project.enums() == ["kind"]
    project.write("app/shop/models.py", "")
    await project.revision("drop all")
    await project.walk()
    assert await project.enums() == []
    await project.alembic("downgrade", "-1")
    assert await project.enums() == ["kind"]
    await project.alembic("downgrade", "base")
    assert await project.enums() == []
    assert await project.tables() == ["alembic_version"]


async def test_a_table_may_lie_in_another_schema(project: Project) -> None:
    await project.database.execute(text("CREATE SCHEMA somebody_elses"))
    await project.database.execute(text("CREATE TABLE somebody_elses.things (id int)"))
    await project.alembic("upgrade", "head")
    in_shop = (
        '    __table_args__ = {"schema": "shop"}\n'
        '    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))\n'
    )
    state = "class State(Enum):\n    new = 1\n    sent = 2\n\n\n"
    project.write("app/shop/models.py", IMPORTS + state + ORDER + in_shop + "    state: Mapped[State]\n")
    written = await project.revision("add orders")
    assert "somebody_elses" not in written
    await project.walk()
    assert "No new upgrade operations" in await project.alembic("check")
    await project.alembic("downgrade", "-1")
    assert await project.scalars("SELECT nspname FROM pg_namespace WHERE nspname = 'shop'") == []
    await project.alembic("upgrade", "head")
    await project.database.execute(text("DROP SCHEMA somebody_elses CASCADE"))
    await project.database.execute(text("DROP SCHEMA shop CASCADE"))


async def test_each_problem_has_its_own_sentence_and_fix(project: Project) -> None:
    newest = str(ScriptDirectory(PROJECT_DIR / "alembic").get_current_head())
    said = await project.refusal("check")
    assert "is without any migration" in said
    assert "`make migrate` or `python -m alembic upgrade head` applies" in said
    said = await project.refusal("upgrade", newest[:-2] + "zz")
    assert f"There is no migration {newest[:-2]}zz; did you mean {newest}? `python -m alembic history`" in said
    said = await project.refusal("upgrade", "typo")
    assert f"There is no migration typo; the newest is {newest}. `python -m alembic history` lists all" in said

    await project.alembic("upgrade", "head")
    said = await project.refusal("downgrade", "-100")
    assert "Ambiguous walk" in said, "Alembic's own words"
    assert "which this code doesn't have" not in said

    for name in ("one", "other"):
        functions = "def upgrade():\n    pass\ndef downgrade():\n    pass\n"
        project.write(f"alembic/versions/{name}.py", f"revision = {name!r}\ndown_revision = {newest!r}\n" + functions)
    said = await project.refusal("check")
    assert f"is at migration {newest}, and the newest is one and other." in said
    said = await project.refusal("upgrade", "head")
    assert "Several migrations are the newest: one and other." in said
    assert "`python -m alembic merge heads --message merge` joins them" in said
    assert (await project.run("-m", "alembic", "merge", "heads", "--message", "merge"))[0] == 0
    await project.alembic("upgrade", "head")

    await project.database.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    for arguments in (["upgrade", "head"], ["check"]):
        said = await project.refusal(*arguments)
        assert "is at migration newer, which this code doesn't have" in said
        assert "Use the code that has it" in said
