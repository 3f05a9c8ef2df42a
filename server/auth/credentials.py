"""The credentials in a request's headers, from the raw list: a mapping would hide that there are two of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.auth import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUTHORIZATION = re.compile(r"(?P<scheme>[A-Za-z]+) +(?P<token>[A-Za-z0-9._~+/-]+=*)")
SCHEMES = frozenset({"dpop", "bearer"})


@dataclass(frozen=True)
class Request:
    """What authentication looks at in a request.

    Attributes:
        method: As sent.
        raw_path: As sent: still percent-encoded, with or without the query.
        headers: Every header field, names in whatever case.
    """

    method: str
    raw_path: bytes
    headers: Sequence[tuple[bytes, bytes]]

    def values(self, name: str) -> list[str]:
        """Return the values of all fields of a name, which is in lower case."""
        wanted = name.encode()
        return [value.decode("latin-1").strip(" \t") for key, value in self.headers if key.lower() == wanted]


@dataclass(frozen=True)
class Credentials:
    """An access token and a proof, not looked at yet."""

    token: str
    proof: str


def credentials(request: Request, *, accept_bearer: bool) -> Credentials:
    """Return a request's token and proof.

    Raises:
        AuthError: One of them is missing, there are two, or their form is wrong.
    """
    scheme, token = _authorization(request)
    if scheme == "bearer" and not accept_bearer:
        raise errors.invalid_token("access tokens are sent with the scheme DPoP")
    proofs = request.values("dpop")
    if len(proofs) > 1:
        raise errors.invalid_proof("more than one DPoP header")
    if not proofs:
        raise _without_proof(scheme)
    return Credentials(token, proofs[0])


def _authorization(request: Request) -> tuple[str, str]:
    given = request.values("authorization")
    if not given:
        raise errors.no_credentials()
    if len(given) > 1:
        raise errors.invalid_request("more than one Authorization header")
    found = _AUTHORIZATION.fullmatch(given[0])
    if not found or found["scheme"].lower() not in SCHEMES:
        raise errors.invalid_request("the Authorization header must be DPoP or Bearer and one access token")
    return found["scheme"].lower(), found["token"]


def _without_proof(scheme: str) -> errors.AuthError:
    """A token without a proof may be anybody's, whatever it is bound to."""
    if scheme == "bearer":
        return errors.invalid_token("an access token needs a DPoP proof beside it")
    return errors.invalid_proof("the DPoP header is missing")
