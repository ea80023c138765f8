"""Who sends a request, as far as its connection tells."""

import hmac
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from app.core.config import settings
from app.core.security import derive_key


@dataclass(frozen=True)
class Client:
    """The IP address that a request comes from, and the program that it names."""

    ip: str
    user_agent: str | None = None

    @cached_property
    def network(self) -> str:
        """The part of the IP address that a subscriber can't change at will: an IPv6 /64, or a whole IPv4 address."""
        return _network(self.ip, 64)

    @cached_property
    def wider_network(self) -> str:
        """The IPv6 /48 of the IP address, all of which may belong to one customer; or a whole IPv4 address."""
        return _network(self.ip, 48)

    @property
    def hash(self) -> bytes:
        """The network as the database stores it: it can be recognised, not read."""
        key = derive_key(settings.secret_keys[0], "clients")  # a new SECRET_KEY makes all clients unknown
        return hmac.digest(key, self.network.encode(), sha256)


def _network(ip: str, prefix_length: int) -> str:
    try:
        parsed: IPv4Address | IPv6Address | None = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((parsed, prefix_length), strict=False))
    return ip
