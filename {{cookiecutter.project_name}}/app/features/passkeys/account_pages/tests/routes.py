"""What tests of all routes have to know of the routes that account pages add to passkeys."""

from app.tests.helpers import Json

NAMES = {"GET /.well-known/passkey-endpoints": "read_passkey_endpoints"}
BODIES: dict[tuple[str, str], Json] = {}
WITHOUT_DATABASE = {("GET", "/.well-known/passkey-endpoints")}
OPEN_TO_ALL = WITHOUT_DATABASE
