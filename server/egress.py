"""Where webhooks may lead: never to this machine or its networks, unless the operator names them.

A name is resolved once, every address it has is looked at, and the connection goes to an address that was looked at; so
a name that changes its mind in between (DNS rebinding) wins nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

    Network = IPv4Network | IPv6Network
    Address = IPv4Address | IPv6Address

LONGEST_URL = 2000

TRANSLATED = tuple(
    ip_network(text)
    for text in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "192.88.99.0/24",  # 6to4 relays
        "fec0::/10",  # site-local, deprecated
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "192.0.0.0/24",  # protocol assignments; parts of it count as global
    )
)
"""Addresses that lead to others, or that count as global though nobody there is to be told anything."""


UNREACHABLE = "its name leads to no public address"
"""Said of every name that is not connected to: whether a name server of ours knows it is nobody's business."""


class TargetError(Exception):
    """A webhook may not lead there; the text says why, and tells nothing of our networks."""


@dataclass(frozen=True, kw_only=True)
class Egress:
    """What webhooks may reach.

    Attributes:
        allow_http: Whether messages may be sent without TLS.
        networks: Networks that may be reached though they are not public.
    """

    allow_http: bool = False
    networks: Sequence[Network] = ()

    def check_url(self, url: str) -> httpx.URL:
        """Return a target as it will be used.

        Raises:
            TargetError: It is no URL that messages may be sent to; what its name resolves to, is seen when they are.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise TargetError("it is no URL") from error
        schemes = ("https", "http") if self.allow_http else ("https",)
        if parsed.scheme not in schemes:
            raise TargetError(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        if len(url) > LONGEST_URL or not parsed.raw_host or parsed.port == 0:
            raise TargetError(f"it must have a host and a port that is not 0, in at most {LONGEST_URL} characters")
        if parsed.userinfo or parsed.fragment:
            raise TargetError("it must have neither a user nor a fragment")
        literal = _address(host_of(parsed))
        if literal is not None and not self.allows(literal):
            raise TargetError("its address is not public")
        return parsed

    def allows(self, address: Address) -> bool:
        """Whether messages may be sent to an address."""
        return is_public(address) or any(address in network for network in self.networks)

    def pick(self, addresses: Sequence[str]) -> list[str]:
        """Return the addresses of a name, once all of them are known to be allowed.

        Raises:
            TargetError: One of them is not, or there is none.
        """
        found = [ipaddress.ip_address(text) for text in addresses]
        if not found or not all(self.allows(address) for address in found):
            raise TargetError(UNREACHABLE)
        return [str(address) for address in dict.fromkeys(found)]


def host_of(url: httpx.URL) -> str:
    """Return a URL's host in ASCII, as resolvers and certificates have it, without brackets."""
    return url.raw_host.decode("ascii").strip("[]")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, and stands for itself alone."""
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address in network for network in TRANSLATED)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks, as in "10.1.0.0/16" or "::1".

    Raises:
        ValueError: One of them is none.
    """
    return tuple(ip_network(text) for text in texts)


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
