"""What a feature adds to the application, and `connect`, which puts it into the lists of the layers below."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from app.api.endpoints.reauthentication import Reauthentication, reauthentications
from app.api.endpoints.users import Registrar, registrars
from app.api.grants import Grant, grants
from app.api.login_routes import Mount
from app.api.oauth_errors import Refusal
from app.auth.audit import EVENTS
from app.auth.caller import Bearer, SuperuserRule, bearers, superuser_rules
from app.auth.credentials import credentials
from app.auth.login import HiddenAccounts, LoginStep, hidden_accounts, login_steps
from app.auth.notices import Sender, senders
from app.auth.recent_login import RecentLoginRule, SecondFactor, recent_login_rules, second_factors
from app.auth.scopes import ScopeGiver, scope_givers
from app.core.database import Database


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Each feature sets the fields that it needs; `name` is the tag of its routes in the documentation."""

    name: str
    mounts: Sequence[Mount] = ()
    is_on: Callable[[], bool] = lambda: True  # whether the settings let the routes exist
    lifespan: Callable[[Database], AbstractAsyncContextManager[None]] | None = None  # around the serving of requests
    audit_events: Sequence[str] = ()
    # Logging in
    hidden_accounts: Sequence[HiddenAccounts] = ()
    login_steps: Sequence[LoginStep] = ()
    login_refusals: Sequence[Refusal] = ()  # raised by the steps; for the documentation
    second_factors: Sequence[SecondFactor] = ()
    reauthentications: Mapping[str, Reauthentication] = field(default_factory=dict)  # by their fields in the body
    recent_login_rules: Sequence[RecentLoginRule] = ()
    superuser_rules: Sequence[SuperuserRule] = ()
    # Callers
    bearers: Sequence[Bearer] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)  # by their `grant_type`
    scope_givers: Sequence[ScopeGiver] = ()
    # Accounts
    credentials: Sequence[Any] = ()  # models whose rows are ways to log in, beside the password
    senders: Sequence[Sender] = ()  # of notices
    registrars: Sequence[Registrar] = ()


def connect(features: Sequence[Feature]) -> None:
    """Fill the lists. Call it once, before the application is built."""
    for feature in features:
        EVENTS.extend(feature.audit_events)
        hidden_accounts.extend(feature.hidden_accounts)
        login_steps.extend(feature.login_steps)
        second_factors.extend(feature.second_factors)
        reauthentications.update(feature.reauthentications)
        recent_login_rules.extend(feature.recent_login_rules)
        superuser_rules.extend(feature.superuser_rules)
        bearers.extend(feature.bearers)
        grants.update(feature.grants)
        scope_givers.extend(feature.scope_givers)
        credentials.extend(feature.credentials)
        senders.extend(feature.senders)
        registrars.extend(feature.registrars)
