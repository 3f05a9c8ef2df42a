"""``export-center serve``: the HTTP service on this machine."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import click

from cli import rim
from cli.output import note
from cli.serve_options import address_of, auth_of, egress_of, exposure_of, outdated_of, serve_options, sign_in_of

if TYPE_CHECKING:
    from pathlib import Path

    from server.auth.settings import AuthSettings
    from server.sign_in import SignIn

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@click.command("serve", short_help="Serve the REST API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(1, 65_535), help="Port to listen on.")
@click.option("--prefect", metavar="URL", help="API of a Prefect server that is there already; else one runs beside.")
@serve_options
@click.option("--webhook-http", is_flag=True, help="Let webhooks be told over http too, where anybody reads along.")
@click.option(
    "--webhook-network",
    "webhook_networks",
    metavar="CIDR",
    multiple=True,
    help="Network that webhooks may lead to though it is not public; may be given again.",
)
def serve(
    host: str,
    port: int,
    prefect: str | None,
    webhook_http: bool,
    webhook_networks: tuple[str, ...],
    **flags: Any,
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

    settings = rim.settings({name: value for name, value in flags.items() if value != ()})
    rim.key_uri(settings.key, rim.made_home(settings.home))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    here = address_of(host, port)
    auth = auth_of(settings, here)
    sign_in = sign_in_of(settings, auth)
    _tell(here, settings.home, auth)
    _tell_of_viewer(here, auth, sign_in)
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
            auth=auth,
            subject=f"user:{getpass.getuser()}",
            tenant=settings.tenant,
            egress=egress_of(webhook_networks, allow_http=webhook_http),
            metrics=exposure_of(settings.serve),
            origins=frozenset(settings.serve.cors_origins),
            outdated=outdated_of(settings.serve.deprecations),
            sign_in=sign_in,
        )
    )


def _tell(here: str, home: Path, auth: AuthSettings | None) -> None:
    note(f"serving {here}/api/export, home {home}")
    if home.stat().st_mode & OTHERS:
        note(f"warning: other users of this machine may look into {home}\n`chmod 700` it: it is all tenants'.")
    if auth is not None:
        schemes = "DPoP, or Bearer with a proof" if auth.accept_bearer else "DPoP only"
        nonces = "with nonces" if auth.nonces_required else "without nonces"
        note(f"tokens of {auth.issuer}: {schemes}, {nonces}, tenants in {auth.tenant_claim}")


def _tell_of_viewer(here: str, auth: AuthSettings | None, sign_in: SignIn | None) -> None:
    if auth is None:
        note(f"viewer at {here}/")
    elif sign_in is None:
        note("no viewer for browsers: --viewer-client names the client that signs people in")
    else:
        note(f"viewer at {auth.base_url}/, sign-in as client {sign_in.client}, back to {sign_in.redirect_uri}")
