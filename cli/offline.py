"""``--offline``: no socket is opened, and what would need one ends with an error of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cli.errors import OfflineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flows.sources.declared import Sources

NETWORK_EVENTS = frozenset(
    f"socket.{name}"
    for name in ("__new__", "bind", "connect", "getaddrinfo", "gethostbyaddr", "gethostbyname", "sendmsg", "sendto")
)
REMOTE_KEYS = ("awskms:", "gcpkms:", "azurekms:", "hv:")
"""Signing keys that are asked over a network."""

ADVICE = "Run it without --offline, or name a place on this machine."


class Network:
    """Whether this run may use a network."""

    forbidden = False


def go_offline() -> None:
    """Forbid the network to this process, for good: every socket that libraries written in Python ask for."""
    Network.forbidden = True
    sys.addaudithook(_refuse)


def need_network(what: str) -> None:
    """Say before work that goes around Python's sockets that it needs a network.

    Args:
        what: What is remote, as in "the azurekms signing key".

    Raises:
        OfflineError: This run may not use one.
    """
    if Network.forbidden:
        raise OfflineError(f"{what} is reached over a network, and --offline forbids that", advice=ADVICE)


def check_key(uri: str) -> None:
    """Refuse a key that a service holds; its URI may hold a secret, so only the scheme is told."""
    if uri.startswith(REMOTE_KEYS):
        need_network(f"the {uri.partition(':')[0]} signing key")


def check_sources(sources: Sources, tables: Iterable[str]) -> None:
    """Refuse to read record types from sources that lie elsewhere; DuckDB's sockets are none of Python's."""
    for table in tables:
        if sources.is_remote(table):
            need_network(f"the source of {table}")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in NETWORK_EVENTS:
        return
    import socket

    family = arguments[1] if event == "socket.__new__" else getattr(arguments[0], "family", None)
    if family != socket.AF_UNIX:  # which only reaches processes of this machine
        raise OfflineError(f"a library asked for the network ({event}), and --offline forbids that", advice=ADVICE)
