"""Where the service is and who asks it: the options of the commands that call one, and the client made of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.errors import UsageError
from cli.offline import need_network
from cli.options import PATH, TEXT
from cli.output import note
from cli.rim import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx

    from client import Client
    from flows.settings import Settings

Command = TypeVar("Command", bound="Callable[..., Any]")
TOKEN = "EXPORT_CENTER_TOKEN"  # noqa: S105 - the name of a variable
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
    from client import Client, Retries

    configured = settings(remote)
    need_network(f"the service at {configured.server}")
    tenant = None if configured.origins["tenant"] == "default" else configured.tenant
    auth = _auth(configured, os.environ.get(TOKEN, ""))
    with Client(configured.server, auth=auth, tenant=tenant, retries=Retries(told=_tell)) as client:
        yield client


def _auth(configured: Settings, variable: str) -> httpx.Auth | None:
    from client import Bearer, CredentialError, DPoP
    from client.bearer import bound_to, current
    from client.proof_keys import read_proof_key

    named, key = configured.token_file, configured.dpop_key
    if not variable and named is None:
        if key is None:
            return None
        raise UsageError(f"the proof key {key} is of no use without a token", advice=f"Set {TOKEN} or --token-file.")
    # A flag is what somebody wants now; the variable is nearer than a setting of a file.
    is_wanted = configured.origins["token_file"] == "flag"  # noqa: S105 - no password
    source = _read_at_each_request(named) if named is not None and (is_wanted or not variable) else variable
    if key is not None:
        return DPoP(source, read_proof_key(key))
    if bound_to(current(source)) is not None:
        raise CredentialError("the access token is bound to a key", advice="Name the file of that key with --dpop-key.")
    return Bearer(source)


def _read_at_each_request(path: Path) -> Callable[[], str]:
    """Return a function that reads a token: something else may renew the file while a run is watched."""
    from client import CredentialError

    def read() -> str:
        try:
            return path.read_text("ascii")
        except OSError as error:
            raise CredentialError(f"the access token {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CredentialError(f"{path} holds no access token") from error

    return read


def _tell(why: str, seconds: float) -> None:
    if seconds >= WORTH_A_WORD:
        note(f"{why}; trying again in {seconds:.0f} s")
