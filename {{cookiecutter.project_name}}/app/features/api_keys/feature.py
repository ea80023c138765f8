"""API keys for programs, the grant `client_credentials`, and roles: docs/api_keys.md shows each."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.features.api_keys.callers import by_key, by_token
from app.features.api_keys.grant import client_credentials
from app.features.api_keys.models import ApiKey
from app.features.api_keys.roles import give_scopes
from app.features.api_keys.routes import router, users_router
from app.features.api_keys.uses import noting

api_keys = Feature(
    name="API keys",
    mounts=[Mount("/auth", router), Mount("/users", users_router)],
    lifespan=noting,
    audit_events=["api_key_created", "api_key_deleted", "api_key_refused", "role_granted", "role_revoked"],
    bearers=[by_key, by_token],
    grants={"client_credentials": client_credentials},
    scope_givers=[give_scopes],
    credentials=[ApiKey],
)
