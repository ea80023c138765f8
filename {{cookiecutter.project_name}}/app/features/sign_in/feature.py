"""Sign in with others: Google, GitHub, Microsoft, any OpenID Connect provider. docs/sign_in.md shows each flow."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.auth.login import strong_methods
from app.features.sign_in.app_codes import router as exchange_router
from app.features.sign_in.identities import browser_router, users_router
from app.features.sign_in.identities import router as identities_router
from app.features.sign_in.models import Identity
from app.features.sign_in.routes import router
from app.features.sign_in.settings import sign_in_settings


def _is_on() -> bool:
    """Raises SystemExit for a provider whose name a login method has: a session would say that it is one of those."""
    if taken := {"password", *strong_methods} & set(sign_in_settings.sign_in):
        raise SystemExit(f"SIGN_IN: {', '.join(taken)} can't be the name of a provider")
    return bool(sign_in_settings.sign_in)


sign_in = Feature(
    name="sign in with others",
    mounts=[
        Mount("/auth", router),
        Mount("/auth", exchange_router, has_login_steps=True),
        Mount("/auth", identities_router),
        Mount("/auth/browser", browser_router),
        Mount("/users", users_router),
    ],
    is_on=_is_on,
    audit_events=["identity_linked", "identity_unlinked", "sign_in_refused"],
    ways_to_log_in=[Identity],
)
