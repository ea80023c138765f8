"""What tests of all routes have to know of the routes that the pages of second factors need."""

from app.tests.helpers import Json

NAMES = {"POST /auth/totp/qr-code": "draw_qr_code"}
BODIES: dict[tuple[str, str], Json] = {}  # without a body among them, no test calls it: it needs no database
WITHOUT_DATABASE: set[tuple[str, str]] = set()
OPEN_TO_ALL: set[tuple[str, str]] = set()
