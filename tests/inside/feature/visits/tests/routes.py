"""What tests of all routes have to know of the routes of visits."""

from app.tests.helpers import Json

NAMES = {"GET /visits/me": "read_my_visits"}
BODIES: dict[tuple[str, str], Json] = {}
WITHOUT_DATABASE: set[tuple[str, str]] = set()
OPEN_TO_ALL = WITHOUT_DATABASE
