"""The service's parts as values: what handlers are made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ledger.runs import Limits
from ledger.vault import Vault
from server.egress import Egress
from server.metrics.process import Meters
from server.outdated import Declared
from server.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flows.profile_store import ProfileStore
    from ledger.database import Ledger
    from server.caller import Caller
    from server.sign_in import SignIn

BASE = "/api/export"


class Authenticate(Protocol):
    """Decides who calls."""

    def headers(self, now: int, /) -> dict[str, str]:
        """Return headers that every answer has on its account."""

    def __call__(
        self, method: str, raw_path: str, headers: Sequence[tuple[bytes, bytes]], scope: str, now: int, /
    ) -> Caller:
        """Return the caller of a request.

        Raises:
            server.problems.Problem: Nobody who may do this.
        """


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that handlers need.

    Attributes:
        ledger: What is remembered.
        profiles: What can be run.
        authenticate: Who calls.
        bundles: Folder of finished bundles: ``<tenant>/<runId>/``.
        limits: What a tenant may have that has no limits of its own.
        clock: The time, in microseconds since the epoch.
        max_body: Bytes of the largest body.
        store: Root of the evidence store, for dry runs.
        vault: Seals secrets; by default nothing that it seals outlives this process.
        egress: What webhooks may reach.
        origins: Whose pages may call.
        outdated: What was declared out of date.
        sign_in: How people sign in who use the viewer; None where nobody does.
        meters: What this process counts.
        dry_runs: Places for dry runs.
        ready: Named checks for /readyz; each returns None, or what is wrong.
    """

    ledger: Ledger
    profiles: ProfileStore
    authenticate: Authenticate
    bundles: Path
    clock: Callable[[], int]
    limits: Limits = field(default_factory=Limits)
    max_body: int = 1 << 20
    store: str = ""
    vault: Vault = field(default_factory=Vault.of_this_process)
    egress: Egress = field(default_factory=Egress)
    origins: frozenset[str] = frozenset()
    outdated: Declared = field(default_factory=Declared)
    sign_in: SignIn | None = None
    meters: Meters = field(default_factory=Meters)
    dry_runs: Places = field(default_factory=Places)
    ready: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)

    def dry_run_request(self, profile: str, tenant: str) -> dict[str, Any]:
        """Return what a dry run is told of this installation; it neither signs nor writes."""
        return {
            "profile": profile,
            "tenant": tenant,
            "store": self.store,
            "profiles": str(self.profiles.path),
            "key": "file:none",
            "out": "none",
        }
