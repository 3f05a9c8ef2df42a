"""Who asks a service: with a token that is there, or as a program that gets its tokens from an authorization server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx

    from client.proof_keys import ProofKey
    from flows.settings import Settings

TOKEN = "EXPORT_CENTER_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_URL = "EXPORT_CENTER_TOKEN_URL"  # noqa: S105 - the name of a variable
CLIENT_ID, SECRET = "EXPORT_CENTER_CLIENT_ID", "EXPORT_CENTER_CLIENT_SECRET"
SCOPE, RESOURCE = "EXPORT_CENTER_SCOPE", "EXPORT_CENTER_RESOURCE"
EVERY_SCOPE = "export:read export:run export:download export:profile:manage"


def auth_of(configured: Settings, environ: Mapping[str, str]) -> httpx.Auth | None:
    """Return what adds tokens to requests; None when nobody named any.

    Raises:
        UsageError: Something of it is missing.
        CredentialError: Token or key cannot be used.
    """
    variable, named, key = environ.get(TOKEN), configured.token_file, configured.dpop_key
    is_wanted = configured.origins["token_file"] == "flag"  # noqa: S105 - no password
    # A flag is what somebody wants now; variables are nearer than a setting of a file.
    if named is not None and is_wanted:
        return _with_token(_read_at_each_request(named), key)
    if variable:
        return _with_token(variable, key)
    if environ.get(TOKEN_URL):
        return _with_credentials(environ, key)
    if named is not None:
        return _with_token(_read_at_each_request(named), key)
    if key is not None:
        raise UsageError(f"the proof key {key} is of no use without a token", advice=f"Set {TOKEN} or --token-file.")
    return None


def _with_token(source: str | Callable[[], str], key: Path | None) -> httpx.Auth:
    from client import Bearer, CredentialError, DPoP
    from client.bearer import bound_to, current
    from client.proof_keys import read_proof_key

    if key is not None:
        return DPoP(source, read_proof_key(key))
    if bound_to(current(source)) is not None:
        raise CredentialError("the access token is bound to a key", advice="Name the file of that key with --dpop-key.")
    return Bearer(source)


def _with_credentials(environ: Mapping[str, str], key: Path | None) -> httpx.Auth:
    from client import ClientCredentials, DPoP, Registration

    missing = [name for name in (CLIENT_ID, SECRET) if not environ.get(name)]
    if missing:
        raise UsageError(f"{TOKEN_URL} is set without {missing[0]}", advice="The authorization server asks who it is.")
    who = Registration(
        client_id=environ[CLIENT_ID],
        secret=environ[SECRET],
        scope=environ.get(SCOPE) or EVERY_SCOPE,
        resource=environ.get(RESOURCE) or None,
    )
    proving = _key(key)
    return DPoP(ClientCredentials(environ[TOKEN_URL], who, proving), proving)


def _key(path: Path | None) -> ProofKey:
    from client.proof_keys import new_proof_key, read_proof_key

    return new_proof_key() if path is None else read_proof_key(path)


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
