"""``export-center serve``: the HTTP service on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import rim
from cli.errors import UsageError
from cli.output import note

if TYPE_CHECKING:
    from server.auth.settings import AuthSettings
    from server.egress import Egress, Network
    from server.metrics.page import Exposure

LAST_PORT = 65_535


@click.command("serve", short_help="Serve the REST API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(1, LAST_PORT), help="Port to listen on.")
@click.option("--prefect", metavar="URL", help="API of a Prefect server that is there already; else one runs beside.")
@click.option("--issuer", metavar="URL", help="Whose access tokens are accepted; without, authentication is off.")
@click.option("--audience", metavar="ID", help="This API's resource identifier, as tokens name it.")
@click.option("--jwks", metavar="URL", help="Where the issuer's keys are; by default ISSUER/jwks.")
@click.option("--public-url", metavar="URL", help="What clients see before /api/export; by default this address.")
@click.option("--webhook-http", is_flag=True, help="Let webhooks be told over http too, where anybody reads along.")
@click.option(
    "--webhook-network",
    "webhook_networks",
    metavar="CIDR",
    multiple=True,
    help="Network that webhooks may lead to though it is not public; may be given again.",
)
@click.option("--metrics-listen", metavar="HOST:PORT", help="Tell metrics there, and no longer beside the API.")
@click.option(
    "--metrics-network",
    "metrics_networks",
    metavar="CIDR",
    multiple=True,
    help="Network that is told metrics too; may be given again.",
)
@click.option(
    "--metrics-named",
    type=click.IntRange(0, 1000),
    default=30,
    show_default=True,
    help="So many tenants and profiles have their names in metrics.",
)
def serve(
    host: str,
    port: int,
    prefect: str | None,
    webhook_http: bool,
    webhook_networks: tuple[str, ...],
    metrics_listen: str | None,
    metrics_networks: tuple[str, ...],
    metrics_named: int,
    **auth: str | None,
) -> None:
    """Serve the REST API, with Prefect and its worker beside it.

    Without --issuer, authentication is off, and only loopback addresses are taken.

    Example: export-center serve --port 8321
    """
    import getpass
    import logging
    import os

    from flows.installation import LEDGER, environment
    from server.running import Serving, serve

    settings = rim.settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    rim.key_uri(settings.key, settings.home)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    note(f"serving http://{host}:{port}/api/export, home {settings.home}")
    environ = environment(settings, os.environ)
    serve(
        Serving(
            home=settings.home,
            environ=environ,
            ledger=environ[LEDGER],
            profiles=settings.profiles_path,
            host=host,
            port=port,
            prefect=prefect,
            auth=_auth(auth, f"http://{host}:{port}"),
            subject=f"user:{getpass.getuser()}",
            tenant=settings.tenant,
            egress=_egress(webhook_networks, allow_http=webhook_http),
            metrics=_exposure(metrics_listen, metrics_networks, metrics_named),
        )
    )


def _egress(networks: tuple[str, ...], *, allow_http: bool) -> Egress:
    """Return what webhooks may reach.

    Raises:
        UsageError: A network is none.
    """
    from server.egress import Egress

    return Egress(allow_http=allow_http, networks=_networks("--webhook-network", networks))


def _exposure(listen: str | None, networks: tuple[str, ...], named: int) -> Exposure:
    """Return who is told metrics.

    Raises:
        UsageError: A network or an address is none.
    """
    from server.metrics.page import Exposure

    host, _, port = (listen or "").rpartition(":")
    if listen is not None and not (host and port.isascii() and port.isdecimal() and int(port) <= LAST_PORT):
        raise UsageError(f"--metrics-listen {listen} is no address", advice="Write it as in 127.0.0.1:9321.")
    own = None if listen is None else (host.strip("[]"), int(port))
    return Exposure(networks=_networks("--metrics-network", networks), listen=own, named=named)


def _networks(option: str, given: tuple[str, ...]) -> tuple[Network, ...]:
    from server.egress import networks

    try:
        return networks(given)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", advice="Write it as in 10.20.0.0/16 or 10.20.0.7.") from error


def _auth(given: dict[str, str | None], here: str) -> AuthSettings | None:
    """Return what authentication is configured with.

    Raises:
        UsageError: Something of it is missing, or cannot be.
    """
    from server.auth.settings import AuthSettings

    issuer, audience = given["issuer"], given["audience"]
    if issuer is None:
        stray = [name for name, value in given.items() if value is not None]
        if stray:
            raise UsageError(f"--{stray[0].replace('_', '-')} without --issuer", advice="Name the issuer too.")
        return None
    if audience is None:
        raise UsageError("--issuer without --audience", advice="Name this API's resource identifier too.")
    try:
        return AuthSettings(
            issuer=issuer,
            audience=audience,
            jwks_uri=given["jwks"] or f"{issuer.rstrip('/')}/jwks",
            public_base_url=given["public_url"] or here,
        )
    except ValueError as error:
        raise UsageError(f"authentication cannot be as said: {error}", advice="See docs/auth.md.") from error
