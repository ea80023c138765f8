"""Which part of an IP address identifies its owner: an IPv6 subscriber has 2^64 of them, a site 65,536 times more."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address


def network_of(client_ip: str) -> str:
    """The part of an IP address that a subscriber can't change at will: an IPv6 /64, or a whole IPv4 address."""
    return _network(client_ip, 64)


def site_of(client_ip: str) -> str:
    """The IPv6 /48 of an IP address, all of which may belong to one customer; or a whole IPv4 address."""
    return _network(client_ip, 48)


def _network(client_ip: str, prefix_length: int) -> str:
    try:
        parsed: IPv4Address | IPv6Address | None = ip_address(client_ip)
    except ValueError:
        return client_ip
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((parsed, prefix_length), strict=False))
    return client_ip
