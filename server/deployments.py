"""Profiles as Prefect has them: a deployment for each tenant and profile, on the profile's schedule.

Safe to run in several servers at once: making a deployment twice makes nothing twice, and each states what it was made
from, so that whoever comes second finds nothing to do.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import FlowError
from ledger.times import SECOND
from server.deployment import Deployment
from server.prefect_api import PrefectError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from flows.profile_store import ProfileStore, StoredProfile
    from server.prefect_api import Deployed, PrefectApi

LOG = logging.getLogger("export_center.deployments")

SWEEP_SECONDS = 60
"""How often all is compared though no profile changed: somebody may have removed deployments, or all of Prefect."""

NEVER = ("", 0)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all deployments have in common.

    Attributes:
        tenant: The service's own: a shared profile is on its schedule for this one.
        command: What a worker starts for a run; None leaves that to the worker.
    """

    tenant: str
    command: str | None = None


class Deployments:
    """Keeps Prefect's deployments as the profiles are."""

    def __init__(self, prefect: PrefectApi, profiles: ProfileStore, ground: Ground, clock: Callable[[], int]) -> None:
        """Do nothing yet."""
        self._prefect, self._profiles, self._ground, self._clock = prefect, profiles, ground, clock
        self._ids: dict[str, str] = {}
        self._is_prepared = False
        self._told: str | None = ""
        self._done: tuple[str | None, int] = NEVER

    def id_of(self, tenant: str, profile_id: str) -> str:
        """Return the id of a deployment, which is made unless it is there.

        Raises:
            PrefectError: Prefect is not there, or refuses.
        """
        name = f"{tenant}.{profile_id}"
        if name not in self._ids:
            self._prepare()
            found = self._prefect.find_deployment(name)
            self._ids[name] = found or self._prefect.put_deployment(self._one(tenant, profile_id))
        return self._ids[name]

    def forget(self) -> None:
        """Look again for what Prefect has: something of it was not there."""
        self._ids.clear()
        self._is_prepared = False

    def reconcile_once(self) -> int:
        """Make Prefect's deployments as the profiles are, unless that was done; return how many were changed.

        Raises:
            PrefectError: Prefect was there, and is no longer.
            StorageError: The profiles cannot be read; nothing was changed.
        """
        version, now = self._profiles.version(), self._clock()
        if version == self._done[0] and now - self._done[1] < SWEEP_SECONDS * SECOND:
            return 0
        found, broken = self._profiles.everything(), self._profiles.broken()
        if version != self._told:
            self._tell(found, broken)
            self._told = version
        if self._prefect.is_ready() is not None:
            return 0
        self._prepare()
        changed = self._compare(found, Unreadable(broken))
        self._done = (version, now)
        return changed

    def _tell(self, found: Sequence[StoredProfile], broken: Mapping[str, str]) -> None:
        """Say what is to be, whether Prefect is there or not."""
        planned = planned_of(found, self._ground).values()
        active = sum(each.cron is not None and not each.is_paused for each in planned)
        LOG.info("active schedules: %d, of %d profiles", active, len(found))
        for path, why in broken.items():
            LOG.warning("profile %s is none, its deployment stays as it is: %s", path, why)

    def _compare(self, found: Sequence[StoredProfile], unreadable: Container[str]) -> int:
        there = {each.name: each for each in self._prefect.deployments()}
        wanted = planned_of(found, self._ground, [name for name in there if name not in unreadable])
        changed = 0
        for name, each in wanted.items():
            if name not in unreadable:
                changed += self._put(each, there.get(name))
        for name in there.keys() - wanted.keys():
            if name not in unreadable:
                changed += self._remove(there[name])
        return changed

    def _put(self, wanted: Deployment, there: Deployed | None) -> bool:
        if there is not None and there.version == wanted.version:
            self._ids[wanted.name] = there.id
            return False
        try:
            self._ids[wanted.name] = self._prefect.put_deployment(wanted)
        except PrefectError as error:
            if error.status is None:
                raise
            # One that Prefect does not take must not keep the others from it.
            LOG.warning("the deployment %s is not as it should be: %s", wanted.name, error)
            return False
        return True

    def _remove(self, there: Deployed) -> bool:
        self._ids.pop(there.name, None)
        return self._prefect.remove_deployment(there.id)

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._prefect.prepare()
            self._is_prepared = True

    def _one(self, tenant: str, profile_id: str) -> Deployment:
        """Return the deployment of a profile; one of a profile that is gone meanwhile is only there for its runs."""
        try:
            stored = self._profiles.get(tenant, profile_id)
        except FlowError:
            return Deployment(tenant=tenant, profile_id=profile_id, description="", command=self._ground.command)
        return deployment_of(stored, tenant, self._ground)


class Unreadable:
    """Names of deployments whose profiles are there, but cannot be read: what becomes of them is not known."""

    def __init__(self, broken: Mapping[str, str]) -> None:
        """Take the paths of the files."""
        self._names = {path.removesuffix(".yaml").replace("/", ".") for path in broken}

    def __contains__(self, name: object) -> bool:
        """Whether a deployment is of such a profile: the tenant's own, or one that all share."""
        return isinstance(name, str) and (name in self._names or name.rpartition(".")[2] in self._names)


def planned_of(found: Sequence[StoredProfile], ground: Ground, there: Sequence[str] = ()) -> dict[str, Deployment]:
    """Return the deployments that are to be, by name.

    Args:
        found: Every profile, the shared ones first: a tenant's own goes before a shared one of the same id.
        ground: What they have in common.
        there: Names of deployments that there are; those that other tenants have of shared profiles stay.
    """
    shared = {each.profile.profile_id: each for each in found if each.tenant is None}
    others = [name.rpartition(".") for name in there if name.rpartition(".")[2] in shared]
    made = [deployment_of(shared[profile_id], other, ground) for other, _, profile_id in others]
    made += [deployment_of(each, each.tenant or ground.tenant, ground) for each in found]
    return {each.name: each for each in made}


def deployment_of(stored: StoredProfile, tenant: str, ground: Ground) -> Deployment:
    """Return the deployment of a profile for a tenant."""
    profile = stored.profile
    schedule = profile.schedule if tenant in (stored.tenant, ground.tenant) else None
    return Deployment(
        tenant=tenant,
        profile_id=profile.profile_id,
        description=f"{profile.name} ({profile.pair})",
        cron=None if schedule is None else schedule.cron,
        timezone="UTC" if schedule is None else schedule.timezone,
        is_paused=stored.archived,
        command=ground.command,
    )
