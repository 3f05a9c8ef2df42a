"""Settings of the service: who may call it, and who is told its numbers."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flows.setting_rules import Origin, Rule, folder, matching, name_of_type, number, several, switch

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST_PORT = 65_535
MOST_NAMED = 1000

_URL = re.compile(r"https?://\S+")
_PAGES_ORIGIN = re.compile(r"https?://(?:[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_WORD = re.compile(r"\S+")
_WORDS = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `serve` is to be, beside the addresses it is started with.

    Attributes:
        issuer: Whose access tokens are accepted; None for no authentication.
        audience: This API's resource identifier, as tokens name it.
        jwks: Where the issuer's keys are; None for ``ISSUER/jwks``.
        public_url: What clients see before ``/api/export``; None for the address that is listened on.
        bearer: Whether ``Authorization: Bearer`` with a proof is taken beside ``Authorization: DPoP``.
        nonces: Whether proofs must carry a nonce of the service.
        tenant_claim: Name of the claim that holds a token's tenants.
        viewer_client: Id of the issuer's public client that signs people in who use the viewer; None: nobody is.
        viewer_scopes: What is asked for then, with spaces between.
        metrics_listen: HOST:PORT where metrics are told, and nowhere else; None for beside the API.
        metrics_networks: Networks that are told metrics, beside this machine.
        metrics_named: How many tenants, and how many profiles, metrics name.
        cors_origins: Whose pages may call the API from a browser, as browsers send it in ``Origin``.
        deprecations: File that says which routes and profiles are out of date.
    """

    issuer: str | None = None
    audience: str | None = None
    jwks: str | None = None
    public_url: str | None = None
    bearer: bool = True
    nonces: bool = False
    tenant_claim: str = "stella:tenant"
    viewer_client: str | None = None
    viewer_scopes: str = "openid offline_access export:read export:run export:download"
    metrics_listen: str | None = None
    metrics_networks: tuple[str, ...] = ()
    metrics_named: int = 30
    cors_origins: tuple[str, ...] = ()
    deprecations: Path | None = None

    def describe(self) -> dict[str, str]:
        """Return name and value of every one of them, as texts."""
        return {name: _told(getattr(self, name)) for name in SERVE_SETTINGS}


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def _address(value: object, _: Origin) -> str:
    host, _colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (host and port.isascii() and port.isdecimal() and int(port) <= LAST_PORT):
        raise ValueError(name_of_type(value))
    return str(value)


def _network(value: object, _: Origin) -> str:
    return str(ipaddress.ip_network(str(value)))


SERVE_SETTINGS: Mapping[str, Rule] = {
    "issuer": Rule("the URL of an issuer of tokens", matching(_URL)),
    "audience": Rule("a resource identifier, such as https://export.example/api/export", matching(_WORD)),
    "jwks": Rule("the URL of a JWK set", matching(_URL)),
    "public_url": Rule("a URL, such as https://export.example", matching(_URL)),
    "bearer": Rule("true or false", switch),
    "nonces": Rule("true or false", switch),
    "tenant_claim": Rule("the name of a claim", matching(_WORD)),
    "viewer_client": Rule("the id of a client of the issuer", matching(_WORD)),
    "viewer_scopes": Rule("scopes with spaces between, such as openid export:read", matching(_WORDS)),
    "metrics_listen": Rule("HOST:PORT, such as 127.0.0.1:9321", _address),
    "metrics_networks": Rule("networks, such as 10.20.0.0/16", several(_network)),
    "metrics_named": Rule(f"a whole number from 0 to {MOST_NAMED}", number(0, MOST_NAMED)),
    "cors_origins": Rule(
        "origins as browsers send them, such as https://console.example", several(matching(_PAGES_ORIGIN))
    ),
    "deprecations": Rule("the path of a file", folder),
}
"""Each of them and how it is read."""
