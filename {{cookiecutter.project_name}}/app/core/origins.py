"""Origins and host names, written as clients send them.

pydantic's URLs are those of the URL standard, as in browsers: lower case, no default port, IDN in punycode.
https://url.spec.whatwg.org/#origin
"""

import re
from typing import Final

from pydantic_core import Url

_WEB: Final = {"http", "https"}
# Pages of these have no origin of their own, or can't send requests: browsers would send `null`, or nothing.
_NEVER_SENT: Final = {"about", "blob", "data", "file", "filesystem", "ftp", "javascript", "mailto", "null", "ws", "wss"}
_ANDROID: Final = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")  # an Android application, by its signing key
_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")


def web_origin(url: str) -> str:
    """The origin of a URL that has nothing else. Raises ValueError, which says what would work."""
    words = "must look like https://api.example.com, with nothing after the host or port"
    scheme, _, authority = url.partition("://")
    if scheme.lower() not in _WEB or not authority or re.search(r"[\s\\@?#*]|/.", authority):
        raise ValueError(words)
    try:
        parsed = Url(url)
    except ValueError:  # it would show the URL
        raise ValueError(words) from None
    if parsed.host is None or not _HOST.fullmatch(parsed.host):
        raise ValueError(words)
    return str(parsed).removesuffix("/")


def app_origin(origin: str) -> str:
    """The origin of a page, or of an application that isn't one. Raises ValueError, which says what would work."""
    scheme, _, authority = origin.partition("://")
    if scheme.lower() in _WEB:
        return web_origin(origin)
    if _ANDROID.fullmatch(origin):
        return origin
    if scheme.lower() == "null":
        raise ValueError("must not have null: any site can make a frame whose origin that is")
    if (
        not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme, re.IGNORECASE)
        or scheme.lower() in _NEVER_SENT
        or not re.fullmatch(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?/?", authority)
    ):
        raise ValueError("must look like https://app.example.com or, of an application, capacitor://localhost")
    return f"{scheme.lower()}://{authority.removesuffix('/')}"


def allowed_host(pattern: str) -> str:
    """`*`, `*.` and a domain, or a host name as in a Host header. Raises ValueError, which says what would work."""
    if pattern == "*":
        return pattern
    if "://" in pattern or "/" in pattern:
        raise ValueError("is a URL: write the host name only, such as api.example.com")
    if pattern.startswith("."):
        raise ValueError("begins with a dot: write example.com, *.example.com for a domain and all below it")
    prefix, name = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    if "*" in name:
        raise ValueError("may have * only alone or in place of the first label, such as *.example.com")
    if re.fullmatch(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+", name) and name.count(":") > 1:
        name = f"[{name}]"  # an IPv6 address
    if re.search(r":[0-9]*$", name) and not name.endswith("]"):
        raise ValueError("has a port: write the host name only, such as api.example.com, for any port")
    try:
        return prefix + web_origin(f"http://{name}").removeprefix("http://")
    except ValueError:
        raise ValueError("must look like api.example.com or *.example.com") from None
