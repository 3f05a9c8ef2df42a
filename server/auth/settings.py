"""What authentication is configured with."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from server.auth.htu import UrlError, normalise

MIN_SECRET_BYTES = 32
MAX_SKEW = 5
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    """Whose tokens are accepted, and how.

    Attributes:
        issuer: The ``iss`` of its tokens, exactly.
        audience: This API's resource identifier, which ``aud`` must contain.
        jwks_uri: Where the issuer's public keys are.
        public_base_url: What clients see before ``/api/export``, as in "https://gateway.example".
        accept_bearer: Whether ``Authorization: Bearer`` with a proof is accepted beside ``Authorization: DPoP``.
        nonces_required: Whether proofs must carry a nonce of ours.
        nonce_secret: What nonces are made from; every server of one installation needs the same one.
        tenant_claim: Name of the claim that holds a tenant, or a list of them.
        skew: Seconds that clocks may differ, at most 5.
        window: Seconds for which a proof is good.

    Raises:
        ValueError: One of them cannot be.
    """

    issuer: str
    audience: str
    jwks_uri: str
    public_base_url: str
    accept_bearer: bool = True
    nonces_required: bool = False
    nonce_secret: bytes = field(default=b"", repr=False)
    tenant_claim: str = "stella:tenant"
    skew: int = 5
    window: int = 60

    def __post_init__(self) -> None:
        """Check what would otherwise refuse or accept everybody."""
        if not (self.issuer and self.audience and self.jwks_uri and self.tenant_claim):
            raise ValueError("issuer, audience, jwks_uri and tenant_claim must not be empty")
        if not 0 <= self.skew <= MAX_SKEW or self.window <= 0:
            raise ValueError(f"skew must be 0 to {MAX_SKEW} seconds, and window more than 0")
        if self.nonces_required and len(self.nonce_secret) < MIN_SECRET_BYTES:
            raise ValueError(f"nonces_required needs a nonce_secret of at least {MIN_SECRET_BYTES} bytes")
        check_keys_url(self.jwks_uri)
        _check_base_url(self.public_base_url)

    @property
    def base_url(self) -> str:
        """The public base URL without a slash at its end."""
        return self.public_base_url.rstrip("/")

    @property
    def replay_seconds(self) -> int:
        """How long a proof must be remembered: from the earliest time it is good to the last."""
        return self.window + 2 * self.skew


def _check_base_url(url: str) -> None:
    try:
        normalise(url)
    except UrlError as error:
        raise ValueError(f"public_base_url: {error}") from error
    if "?" in url or "#" in url:
        raise ValueError("public_base_url: must have neither query nor fragment")


def check_keys_url(url: str) -> None:
    """Check where keys come from.

    Raises:
        ValueError: Whoever is on the way could exchange the keys: http is for this machine only.
    """
    parts = urlsplit(url)
    encrypted = parts.scheme == "https" and parts.hostname
    if not encrypted and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("jwks_uri: must be https, or http on this machine")
