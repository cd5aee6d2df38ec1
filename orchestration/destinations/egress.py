"""Where a request may go: the guard against server-side request forgery.

A destination's URL is configuration, and configuration can be wrong, hostile or point to a name that changes its
address. So every request resolves the name, refuses anything that is not public, and connects to the very address
that was checked. Proxies from the environment are not used, as they would resolve again.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

import httpx

Resolver = Callable[[str, int], list[str]]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Forbidden(Exception):  # noqa: N818 - says what happened
    """The URL points where no request may go; the sentence says why."""


class Unresolved(Exception):  # noqa: N818 - says what happened
    """The host has no address right now."""


@dataclass(frozen=True)
class Checked:
    """A URL whose host is the checked address, with what the receiver must still see of the name."""

    url: httpx.URL
    host_header: str
    server_name: str


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, by the system's resolver. Raises Unresolved."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"{host}: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked(
    url: str, allow_loopback: Collection[str] = (), resolver: Resolver = resolve
) -> Checked:
    """Resolve and check a URL.

    `allow_loopback` lists the host names that may (and then must) be this machine, also over plain http.
    Raises Forbidden, or Unresolved when the name has no address.
    """
    try:
        target = _url(url)
    except httpx.InvalidURL as error:
        raise Forbidden(f"the URL cannot be read: {error}") from error
    name = target.host
    is_local = name in allow_loopback
    if not name or target.userinfo:
        raise Forbidden("the URL needs a host and must not carry credentials")
    if target.scheme != "https" and not (is_local and target.scheme == "http"):
        raise Forbidden(f"{target.scheme or 'no scheme'} is not https")
    port = target.port or (443 if target.scheme == "https" else 80)
    addresses = resolver(name, port)
    if not addresses:
        raise Unresolved(f"{name}: no address")
    for address in addresses:
        _refuse_inward(name, address, is_local)
    return _pinned(target, addresses[0])


@lru_cache(maxsize=64)
def _pinned(target: httpx.URL, address: str) -> Checked:
    return Checked(
        url=target.copy_with(host=address, fragment=None),
        host_header=target.netloc.decode("ascii"),
        server_name=target.raw_host.decode("ascii"),
    )


# Reading a URL costs more than looking up its name, which is done each time.
_url = lru_cache(maxsize=64)(httpx.URL)


def _refuse_inward(name: str, address: str, is_local: bool) -> None:
    if is_local:
        if not ipaddress.ip_address(address).is_loopback:
            raise Forbidden(f"{name} is allowed as loopback but resolves to {address}")
    elif not is_public(address):
        raise Forbidden(f"{name} resolves to {address}, which is not public")


def is_public(address: str) -> bool:
    """Whether an address is reachable from anywhere. One that wraps an IPv4 address counts by what it leads to."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _wrapped(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _wrapped(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64 or ip in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
