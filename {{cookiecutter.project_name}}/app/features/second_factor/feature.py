"""Second factors: codes of an authenticator app, and recovery codes. docs/second_factor.md shows each flow."""

from app.api.endpoints.reauthentication import Reauthentication
from app.api.feature import Feature
from app.api.login_routes import Mount, login_routes
from app.auth.recent_login import SecondFactor
from app.features.second_factor.login import (
    INCORRECT_CODE,
    MFA_REQUIRED,
    check_own_code,
    log_in_with_second_factor,
    stop_without_code,
)
from app.features.second_factor.models import RecoveryCode, TotpSecret
from app.features.second_factor.routes import router, users_router
from app.features.second_factor.schemas import Code
from app.features.second_factor.totp import has_second_factor

second_factor = Feature(
    name="second factor",
    mounts=[
        Mount("/auth", router),
        Mount("/users", users_router),
        *login_routes("/second-factor", log_in_with_second_factor, INCORRECT_CODE),
    ],
    audit_events=["second_factor_added", "second_factor_removed", "second_factor_failed", "recovery_code_used"],
    login_steps=[stop_without_code],
    login_refusals=[MFA_REQUIRED],
    strong_methods=["totp", "recovery_code"],
    second_factors=[SecondFactor(has_second_factor, INCORRECT_CODE.detail)],
    reauthentications={"code": Reauthentication(Code, check_own_code, INCORRECT_CODE.detail)},
    credentials=[TotpSecret, RecoveryCode],
)
