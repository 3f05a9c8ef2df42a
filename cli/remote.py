"""Where the service is and who asks it: the options of the commands that call one, and the client made of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.credentials import TOKEN, TOKEN_URL, auth_of
from cli.offline import need_network
from cli.options import PATH, TEXT
from cli.output import note
from cli.rim import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from client import Client

Command = TypeVar("Command", bound="Callable[..., Any]")
UNAUTHORIZED = 401
WORTH_A_WORD = 0.9
"""Seconds: shorter pauses are over before anybody has read of them."""

OPTIONS = (
    click.option("--server", metavar="URL", type=TEXT, help="Address of the service; else that of the settings."),
    click.option("--tenant", metavar="T", type=TEXT, help="Whose; else that of the settings, else the token's."),
    click.option("--token-file", metavar="FILE", type=PATH, help=f"Holds the access token; else {TOKEN} does."),
    click.option("--dpop-key", metavar="FILE", type=PATH, help="Private key that the token is bound to."),
)


def remote_options(command: Command) -> Command:
    """Add the options that say where the service is and who asks; ``service`` takes their values."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@contextmanager
def service(remote: Mapping[str, Any]) -> Iterator[Client]:
    """Yield a client of the service that options and settings name.

    Raises:
        UsageError: Token and key do not go together.
        CredentialError: One of them cannot be used.
        OfflineError: No network may be used.
    """
    from client import ApiError, Client, Retries

    configured = settings(remote)
    need_network(f"the service at {configured.server}")
    tenant = None if configured.origins["tenant"] == "default" else configured.tenant
    auth = auth_of(configured, os.environ)
    with Client(configured.server, auth=auth, tenant=tenant, retries=Retries(told=_tell)) as client:
        try:
            yield client
        except ApiError as error:
            if error.status == UNAUTHORIZED and auth is None:
                error.advice = f"Set {TOKEN} or --token-file, or {TOKEN_URL} with a client's id and secret."
            raise


def _tell(why: str, seconds: float) -> None:
    if seconds >= WORTH_A_WORD:
        note(f"{why}; trying again in {seconds:.0f} s")
