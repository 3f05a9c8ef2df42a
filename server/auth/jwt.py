"""JSON Web Tokens in compact form: taken apart strictly, before any cryptography."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

# Python's decoder skips what is no base64: without this, one token could be written in many ways.
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class JwtError(ValueError):
    """A text is no token, or one that cannot be trusted; says why without repeating it."""


@dataclass(frozen=True)
class Jwt:
    """A token whose signature nobody has looked at yet.

    Attributes:
        header: Of its signature.
        claims: What it says.
        signed: The bytes under the signature.
        signature: The signature.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    def text(self, claim: str) -> str:
        """Return a claim that must be a text that is not empty.

        Raises:
            JwtError: It is not.
        """
        value = self.claims.get(claim)
        if not isinstance(value, str) or not value:
            raise JwtError(f"the claim {claim} is missing or no text")
        return value

    def time(self, claim: str) -> float:
        """Return a claim that must be a time, in seconds since the epoch.

        Raises:
            JwtError: It is not.
        """
        value = self.claims.get(claim)
        # True counts as the number 1 in Python.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise JwtError(f"the claim {claim} is missing or no number")
        return value


def parse(text: str, *, max_bytes: int) -> Jwt:
    """Take a token apart.

    Raises:
        JwtError: It is too long, not of three parts, not JSON, or asks for extensions.
    """
    if len(text) > max_bytes:
        raise JwtError(f"longer than {max_bytes} bytes")
    found = _COMPACT.fullmatch(text)
    if not found:
        raise JwtError("not one token of three parts in base64url")
    header, claims = _object(found[1], "header"), _object(found[2], "claims")
    if "crit" in header:
        raise JwtError("the header asks for an extension")
    return Jwt(header, claims, text.rpartition(".")[0].encode(), decoded(found[3], "signature"))


def _object(part: str, name: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(decoded(part, name))
    # Deep nesting is a RecursionError; lone surrogates and bytes that are no UTF-8 are ValueErrors.
    except (ValueError, RecursionError) as error:
        raise JwtError(f"the {name} part is no JSON") from error
    if not isinstance(value, dict):
        raise JwtError(f"the {name} part is no object")
    return value


def decoded(part: str, name: str) -> bytes:
    """Return the bytes of a text in base64url; the name is for the error.

    Raises:
        JwtError: It is none.
    """
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise JwtError(f"the {name} part is no base64url") from error
