"""The options of ``serve`` that are settings too, and what the service is made with of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cli.options import Command
    from flows.serve_settings import ServeSettings
    from flows.settings import Settings
    from server.auth.settings import AuthSettings
    from server.egress import Egress
    from server.metrics.page import Exposure
    from server.outdated import Declared
    from server.sign_in import SignIn

NONCE_KEY = "nonces.key"
NEEDS_ISSUER = (
    "audience", "jwks", "public_url", "bearer", "nonces", "tenant_claim", "cors_origins", "viewer_client",
    "viewer_scopes",
)  # fmt: skip

_OPTIONS = (
    click.option("--issuer", metavar="URL", help="Whose access tokens are accepted; without, authentication is off."),
    click.option("--audience", metavar="ID", help="This API's resource identifier, as tokens name it."),
    click.option("--jwks", metavar="URL", help="Where the issuer's keys are; by default ISSUER/jwks."),
    click.option("--public-url", metavar="URL", help="What clients see before /api/export; by default this address."),
    click.option(
        "--bearer/--no-bearer", default=None, help="Whether tokens may be sent as Bearer with a proof; they may."
    ),
    click.option("--nonces/--no-nonces", default=None, help="Whether proofs must carry a nonce; they need not."),
    click.option("--tenant-claim", metavar="NAME", help="Claim that holds a token's tenants; stella:tenant."),
    click.option("--viewer-client", metavar="ID", help="Client of the issuer that signs people in who use the viewer."),
    click.option("--viewer-scopes", metavar="SCOPES", help="What is asked for then; openid, and all but to manage."),
    click.option("--metrics-listen", metavar="HOST:PORT", help="Tell metrics there, and no longer beside the API."),
    click.option(
        "--metrics-network",
        "metrics_networks",
        metavar="CIDR",
        multiple=True,
        help="Network that is told metrics too; may be given again.",
    ),
    click.option(
        "--cors-origin",
        "cors_origins",
        metavar="ORIGIN",
        multiple=True,
        help="Origin whose pages may call the API from a browser; may be given again. Asks for --issuer.",
    ),
    click.option("--deprecations", metavar="FILE", help="Which routes and profiles are out of date; answers say so."),
    click.option("--metrics-named", metavar="N", help="So many tenants and profiles have names in metrics; 30."),
)


def serve_options(command: Command) -> Command:
    """Add the options; none of them has a default, for settings may come from elsewhere."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def address_of(host: str, port: int) -> str:
    """Return a listening address as a URL."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def auth_of(settings: Settings, here: str) -> AuthSettings | None:
    """Return what authentication is configured with; None when it is off.

    Args:
        settings: The settings in force.
        here: This address, which clients see when nobody says otherwise.

    Raises:
        UsageError: Something of it is missing, or cannot be.
        VaultError: The nonces' key cannot be read or made.
    """
    from ledger.keyfile import read_keys
    from server.auth.settings import AuthSettings

    serve = settings.serve
    if serve.issuer is None:
        _require_nothing_else(settings)
        return None
    if serve.audience is None:
        raise UsageError("--issuer without --audience", advice="Name this API's resource identifier too.")
    secret = read_keys(settings.home / NONCE_KEY)[0] if serve.nonces else b""
    try:
        return AuthSettings(
            issuer=serve.issuer,
            audience=serve.audience,
            jwks_uri=serve.jwks or f"{serve.issuer.rstrip('/')}/jwks",
            public_base_url=serve.public_url or here,
            accept_bearer=serve.bearer,
            nonces_required=serve.nonces,
            nonce_secret=secret,
            tenant_claim=serve.tenant_claim,
        )
    except ValueError as error:
        raise UsageError(f"authentication cannot be as said: {error}", advice="See docs/auth.md.") from error


def sign_in_of(settings: Settings, auth: AuthSettings | None) -> SignIn | None:
    """Return how people sign in who use the viewer; None where nobody does.

    Raises:
        UsageError: It is said what to ask for, and not by whom; or people could not come back.
    """
    from server.sign_in import SignIn

    serve = settings.serve
    if auth is None or serve.viewer_client is None:
        if settings.origins["viewer_scopes"] != "default":
            raise UsageError("--viewer-scopes without --viewer-client", advice="Name the issuer's client too.")
        return None
    try:
        return SignIn(auth=auth, client=serve.viewer_client, scopes=serve.viewer_scopes)
    except ValueError as error:
        raise UsageError(f"nobody could sign in so: {error}", advice="See docs/auth.md.") from error


def _require_nothing_else(settings: Settings) -> None:
    """Refuse words about authentication that is off: whoever wrote them believes that it is on."""
    stray = [name for name in NEEDS_ISSUER if settings.origins[name] != "default"]
    if stray:
        raise UsageError(f"{_flag(stray[0])} without --issuer", advice="Name the issuer too.")


def _flag(setting: str) -> str:
    return "--cors-origin" if setting == "cors_origins" else f"--{setting.replace('_', '-')}"


def outdated_of(path: Path | None) -> Declared:
    """Return what is out of date.

    Raises:
        UsageError: The file cannot be read, or says something that cannot be.
    """
    from server.endpoints import ENDPOINTS
    from server.outdated import Declared, read_declared

    if path is None:
        return Declared()
    try:
        return read_declared(path, {each.name for each in ENDPOINTS})
    except (OSError, ValueError) as error:
        raise UsageError(f"--deprecations: {error}", advice="docs/api.md has the form of the file.") from error


def egress_of(networks: Sequence[str], *, allow_http: bool) -> Egress:
    """Return what webhooks may reach.

    Raises:
        UsageError: A network is none.
    """
    from server import egress

    try:
        return egress.Egress(allow_http=allow_http, networks=egress.networks(networks))
    except ValueError as error:
        raise UsageError(f"--webhook-network: {error}", advice="Write it as in 10.20.0.0/16 or 10.20.0.7.") from error


def exposure_of(serve: ServeSettings) -> Exposure:
    """Return who is told metrics."""
    from server.egress import networks
    from server.metrics.page import Exposure

    own = None
    if serve.metrics_listen is not None:
        host, _, port = serve.metrics_listen.rpartition(":")
        own = (host.strip("[]"), int(port))
    return Exposure(networks=networks(serve.metrics_networks), listen=own, named=serve.metrics_named)
