"""The issuer's public keys: fetched when needed, by one thread, and kept for a bounded time when they cannot be."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from server.auth.ages import within
from server.auth.jwt import JwtError
from server.auth.keys import public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joserfc.jwk import Key

LOG = logging.getLogger(__name__)


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had, and there are none that may still be used."""


@dataclass(frozen=True)
class IssuerKey:
    """One of the issuer's keys, and the only algorithm it is for; empty when it does not say."""

    key: Key
    algorithm: str


class FindKey(Protocol):
    """Finds a key of the issuer."""

    def __call__(self, kid: str, *, now: float) -> IssuerKey | None:
        """Return the key of an id, or None when the issuer has none.

        Raises:
            KeysUnavailableError: Nobody can tell.
        """


@dataclass(frozen=True)
class Patience:
    """How long keys are used, in seconds.

    Attributes:
        fresh: After it they are fetched again.
        stale: After it they are used no more, however long fetching fails.
        between: Least time between two fetches, be they for age, for an unknown key or after a failure.
    """

    fresh: float = 300
    stale: float = 3600
    between: float = 10


@dataclass(frozen=True)
class _Known:
    keys: Mapping[str, IssuerKey] = field(default_factory=dict)
    fetched_at: float | None = None
    tried_at: float | None = None


class JwksCache:
    """The keys of one issuer; safe for many threads."""

    def __init__(
        self,
        fetch: Callable[[], object],
        patience: Patience = Patience(),
        *,
        told: Callable[[bool], object] = lambda _well: None,
    ) -> None:
        """Use a function that returns a JWK set as parsed JSON; whatever it raises counts as a failure to fetch.

        ``told`` hears of every fetch whether it went well.
        """
        self._fetch = fetch
        self._told = told
        self._patience = patience
        self._known = _Known()
        self._fetching = threading.Lock()

    def find(self, kid: str, *, now: float) -> IssuerKey | None:
        """Return the key of an id, or None when the issuer has none (`FindKey`).

        Raises:
            KeysUnavailableError: There is no set of keys that may still be used.
        """
        known = self._known
        usable = within(known.fetched_at, now, self._patience.stale)
        wanted = kid not in known.keys or not within(known.fetched_at, now, self._patience.fresh)
        if wanted and not within(known.tried_at, now, self._patience.between):
            # Only those that cannot do without new keys wait for the thread that fetches them.
            known = self._refresh(known, now, wait=not usable or kid not in known.keys)
        if not within(known.fetched_at, now, self._patience.stale):
            raise KeysUnavailableError("no keys of the issuer that may be used")
        return known.keys.get(kid)

    def _refresh(self, seen: _Known, now: float, *, wait: bool) -> _Known:
        if not self._fetching.acquire(blocking=wait):
            return seen
        try:
            # Who waited finds what the thread before has brought.
            if self._known is seen:
                self._known = self._fetched(seen, now)
            return self._known
        finally:
            self._fetching.release()

    def _fetched(self, seen: _Known, now: float) -> _Known:
        try:
            keys = keys_of(self._fetch())
        except Exception as error:  # noqa: BLE001 - whatever a network and a foreign server can do
            LOG.warning("the issuer's keys could not be fetched: %s: %s", type(error).__name__, error)
            self._told(False)
            return _Known(seen.keys, seen.fetched_at, now)
        self._told(True)
        return _Known(keys, now, now)


def keys_of(document: object) -> dict[str, IssuerKey]:
    """Return the keys for signatures in a JWK set by their ids; keys that cannot be used are passed over.

    Raises:
        ValueError: It is no JWK set, or holds no key that can be used.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JWK set")  # noqa: TRY004 - bad input, not a bad call
    found = {jwk["kid"]: key for jwk in listed if isinstance(jwk, dict) and (key := _issuer_key(jwk))}
    if not found:
        raise ValueError("a JWK set without a key that can be used")
    return found


def _issuer_key(jwk: Mapping[str, Any]) -> IssuerKey | None:
    kid, algorithm = jwk.get("kid"), jwk.get("alg", "")
    if not (isinstance(kid, str) and isinstance(algorithm, str)) or jwk.get("use", "sig") != "sig":
        return None
    try:
        return IssuerKey(public_key(jwk), algorithm)
    except JwtError:
        return None
