"""The value of WWW-Authenticate: what a client must send instead (RFC 9449 7.1, RFC 6750 3)."""

from __future__ import annotations

import re

PROOF_ALGORITHMS = ("ES256", "EdDSA", "Ed25519", "PS256")
"""Algorithms that proofs may be signed with; all of them asymmetric."""

# What RFC 6750 lets an error_description hold.
_UNQUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def challenge(error: str = "", description: str = "", *, scope: str = "") -> str:
    """Return a challenge of the scheme DPoP.

    Args:
        error: Code of the error; empty when the request carried no credentials.
        description: What is wrong; characters that the header cannot hold become "?".
        scope: The scope that is missing.
    """
    given = {"error": error, "error_description": description, "scope": scope, "algs": " ".join(PROOF_ALGORITHMS)}
    quoted = (f'{name}="{_UNQUOTABLE.sub("?", value)}"' for name, value in given.items() if value)
    return "DPoP " + ", ".join(quoted)
