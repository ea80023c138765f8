"""What one request may cost, and why; the lengths of its fields are in schemas/requests.py and models.py.

No request may keep the event loop for more than 50 ms: app/tests/test_costly_input.py tries the worst ones.
"""

from typing import Final

# Bytes of a body, which is held in memory. A route that takes files has its own: `@router.put(…, max_body_size=…)`.
MAX_BODY_SIZE: Final = 1024 * 1024

# Bytes of a request's line and headers, which a web server keeps until they are complete.
MAX_HEADER_SIZE: Final = 64 * 1024

# Python before 3.11.10 and 3.12.6 takes seconds to unescape a long cookie (CVE-2024-7592). RFC 6265 has no backslash.
MAX_COOKIE_BACKSLASHES: Final = 100
MAX_CONTENT_TYPE_LENGTH: Final = 16 * 1024  # the form parser takes 40 ms for 64 KiB of parameters

# Bytes of a body passed on at a time: between two pieces of a form, other requests have their turn.
PIECE_SIZE: Final = 64 * 1024

# `[`, `{` and `%` in a body that is JSON or a form, or may be. Parsing can't be interrupted: half a million arrays take
# 90 ms, a form field with a million percent signs takes 300 ms. Files, which nobody parses, may have any bytes.
MAX_COSTLY_SIGNS: Final = 100_000

# The most problems, and the most bytes of them, that a 422 lists: a longer list wouldn't help anybody.
MAX_PROBLEMS: Final = 20
MAX_PROBLEMS_SIZE: Final = 16_000
