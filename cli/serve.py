"""``export-center serve``: the HTTP service on this machine."""

from __future__ import annotations

import click

from cli import rim
from cli.output import note


@click.command("serve", short_help="Serve the REST API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(1, 65_535), help="Port to listen on.")
@click.option("--prefect", metavar="URL", help="API of a Prefect server that is there already; else one runs beside.")
def serve(host: str, port: int, prefect: str | None) -> None:
    """Serve the REST API, with Prefect and its worker beside it.

    Authentication is off, so only loopback addresses are taken.
    """
    import getpass
    import logging
    import os

    from flows.installation import ledger_url
    from server.running import Serving, serve

    settings = rim.settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    rim.key_uri(settings.key, settings.home)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    note(f"serving http://{host}:{port}/api/export, home {settings.home}")
    environ = {**os.environ, "EXPORT_CENTER_HOME": str(settings.home)}
    serve(
        Serving(
            home=settings.home,
            ledger=ledger_url(environ),
            host=host,
            port=port,
            prefect=prefect,
            subject=f"user:{getpass.getuser()}",
            tenant=settings.tenant,
        )
    )
