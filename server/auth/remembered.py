"""Access tokens that were verified a moment ago: verifying them is most of what a request costs."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from server.auth.ages import within

if TYPE_CHECKING:
    from server.auth.tokens import AccessToken

SIZE = 1024
SECONDS = 300
"""Not longer than the issuer's keys count as fresh: a key that is withdrawn ends the tokens it signed."""


class RememberedTokens:
    """The tokens used last; safe for many threads. Proofs are never remembered here."""

    def __init__(self, size: int = SIZE, *, seconds: float = SECONDS) -> None:
        """Remember so many tokens, each for so long."""
        self._size = size
        self._seconds = seconds
        self._tokens: OrderedDict[bytes, tuple[float, AccessToken]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, text: str, *, now: float) -> AccessToken | None:
        """Return what a token says, when it was verified not long ago and has not expired since."""
        key = _key(text)
        with self._lock:
            since, token = self._tokens.get(key, (now, None))
            if token is None:
                return None
            if not within(since, now, self._seconds) or now >= token.expires_at:
                del self._tokens[key]
                return None
            self._tokens.move_to_end(key)
            return token

    def keep(self, text: str, token: AccessToken, *, now: float) -> None:
        """Remember a token that has just been verified; the one not used for longest makes room."""
        with self._lock:
            self._tokens[_key(text)] = (now, token)
            if len(self._tokens) > self._size:
                self._tokens.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
