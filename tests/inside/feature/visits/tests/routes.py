"""What tests of all routes have to know of the routes of visits."""

NAMES = {"GET /visits/me": "read_my_visits"}
