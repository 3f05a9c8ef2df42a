"""Sign-in of people who use the viewer: which client of the issuer their browsers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from server.hosts import is_loopback

if TYPE_CHECKING:
    from server.auth.settings import AuthSettings

REDIRECT = "signed-in.html"
"""Where the issuer sends browsers back to, below the public address."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """What a browser must know to sign somebody in; no secret is among it.

    Attributes:
        auth: Whose tokens are accepted, and for what.
        client: Id of a public client of the issuer: without a secret, with PKCE.
        scopes: What is asked for, with spaces between.

    Raises:
        ValueError: Browsers make no proofs on a page that came over plain http from another machine.
    """

    auth: AuthSettings
    client: str
    scopes: str

    def __post_init__(self) -> None:
        """Refuse what no browser would do: keys are for pages that nobody could have changed on the way."""
        for name, url in (("public_url", self.auth.base_url), ("issuer", self.auth.issuer)):
            parts = urlsplit(url)
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                raise ValueError(f"{name}: must be https, or http on this machine")

    @property
    def redirect_uri(self) -> str:
        """The one address that the client must be registered with."""
        return f"{self.auth.base_url}/{REDIRECT}"

    @property
    def origin(self) -> str:
        """Origin of the issuer, which pages may talk to."""
        parts = urlsplit(self.auth.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def told(self, nonce: str = "") -> dict[str, Any]:
        """Return what pages are told; ``nonce`` is for their first proof, where proofs must carry one."""
        return {
            "issuer": self.auth.issuer,
            "client": self.client,
            "scopes": self.scopes,
            "resource": self.auth.audience,
            "redirect": self.redirect_uri,
            "tenantClaim": self.auth.tenant_claim,
            "nonce": nonce,
        }
