"""From a request to a plan and its parts: the one place that opens the store, the profile and the key.

The command line and the Prefect flow both come through here, so that the same request makes the same bundle.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from bundle.keys import signer_from_uri
from evidence.policy import policy_snapshot
from evidence.schema import KIND_OF_TABLE
from evidence.store import Store
from evidence.times import format_time
from flows.criteria import SHARED_TENANT, merge, parse_instant, parse_selectors, visible_tenants
from flows.errors import Detail, ValidationError
from flows.pipeline import Parts, folder_of, no_progress, writing
from flows.planning import PinnedPolicy, PinnedTable, Pins, Plan, Wishes, plan
from flows.profile_lookup import find_profile
from flows.settings import MAX_WORKERS, MEMORY_LIMIT
from flows.sources.declared import Sources, parse_sources
from flows.sources.reading import Reading, read_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.keys import Signer
    from evidence.store import Snapshot
    from flows.criteria import Selectors
    from flows.profiles import LoadedProfile


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Everything that decides a run, as JSON values.

    Attributes:
        profile: Id of a profile, as in ``x`` or ``x@2``, or path of a YAML file.
        store: Root of the evidence store.
        key: URI of the signing key.
        out: Path of the bundle, or an existing folder.
        tenant: Whose evidence, when the selectors name nobody.
        selectors: Run selectors, in the shape of the API; they override the profile's.
        policy_snapshot: Id of a policy snapshot in the store.
        snapshot: Number of the evidence snapshot; the newest when null.
        as_of: RFC 3339 time that stands for "now" in the bundle; the newest record's when null.
        workers: Threads that compress, hash and query.
        memory_limit: What DuckDB may use, as in "512MB".
        sources: Where record types come from that do not come from the store; without any password.
        profiles: Folder of the git repository of tenants' profiles; the built-in ones only when null.
    """

    profile: str
    store: str
    key: str
    out: str
    tenant: str = "default"
    selectors: dict[str, Any] = {}
    policy_snapshot: str | None = None
    snapshot: int | None = None
    as_of: str | None = None
    allow_empty: bool = False
    workers: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)] = 2
    memory_limit: Annotated[str, msgspec.Meta(pattern=f"^({MEMORY_LIMIT})$(?!\\n)")] = "384MB"
    sources: Sources = Sources()
    profiles: str | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ExportRequest:
        """Read a request.

        Raises:
            ValidationError: An unknown field, a missing one, or a value of the wrong type.
        """
        try:
            made = msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise ValidationError(f"export request: {error}") from error
        # Names in there become part of statements: they are held to the rules of the settings.
        return msgspec.structs.replace(made, sources=parse_sources(value.get("sources", {}), where="export request"))


def prepare(
    request: ExportRequest,
    *,
    progress: Callable[[str, int, int], None] = no_progress,
    signer: Signer | None = None,
) -> tuple[Plan, Parts]:
    """Open what a request names, and plan it; a signer that is given takes the place of the request's key.

    Raises:
        FlowError: The profile, a selector or the policy snapshot is not as it should be.
        SigningError: The key cannot be used.
        AdapterError: A declared source cannot be read; see flows.sources.reading.
    """
    out = Path(request.out)
    with writing(out):
        copies = folder_of(out)
    made = prepare_plan(request, progress=progress, copies=copies)
    parts = Parts(
        out=out,
        signer=signer or signer_from_uri(request.key),
        workers=request.workers,
        memory_limit=request.memory_limit,
        progress=progress,
    )
    return made, parts


def prepare_plan(
    request: ExportRequest, *, progress: Callable[[str, int, int], None] = no_progress, copies: Path | None = None
) -> Plan:
    """Plan a request without opening the key, and without writing anything but copies of declared sources.

    Args:
        request: What is asked.
        progress: Called with (label, records, plain bytes) while sources are read.
        copies: Folder for these copies; the system's folder for temporary files when absent.
    """
    repository = None if request.profiles is None else Path(request.profiles)
    # Who may run an archived profile was decided before: a run that was accepted is not taken back.
    loaded = find_profile(request.profile, tenant=request.tenant, repository=repository, archived=True)
    selectors = parse_selectors({"tenants": [request.tenant], **merge_selectors(loaded, request)})
    wishes = Wishes(
        selectors=selectors,
        policy_snapshot_id=request.policy_snapshot,
        as_of=None if request.as_of is None else _instant(request.as_of),
        allow_empty=request.allow_empty,
    )
    made = plan(loaded, wishes, pins(Store(request.store), request, selectors))
    return _with_sources(made, request, progress, copies or Path(tempfile.gettempdir()))


def _instant(as_of: str) -> str:
    """Return a time in the one form that bundles have."""
    try:
        return format_time(parse_instant(as_of))
    except ValueError as error:
        raise ValidationError(
            f"export request: asOf: {error}", details=[Detail(field="asOf", message=str(error))]
        ) from error


def _with_sources(made: Plan, request: ExportRequest, progress: Callable[[str, int, int], None], folder: Path) -> Plan:
    """Pin copies of the declared sources in place of the store's tables."""
    declared = [table.name for table in made.tables if table.name in request.sources.relations]
    if not declared:
        return made
    if request.snapshot is not None:
        raise ValidationError(
            f"snapshot {request.snapshot} was asked for, but {', '.join(declared)} come from declared sources",
            advice="A source has its present state only. Leave --snapshot out, or the relations in [sources].",
        )
    reading = Reading(
        sources=request.sources,
        selectors=made.selectors,
        folder=folder,
        workers=request.workers,
        memory_limit=request.memory_limit,
        progress=progress,
    )
    read = read_tables(reading, declared)
    return msgspec.structs.replace(made, tables=tuple(read.get(table.name, table) for table in made.tables))


def merge_selectors(loaded: LoadedProfile, request: ExportRequest) -> dict[str, Any]:
    """Return the profile's selectors with the run's laid over them."""
    return merge(loaded.profile.selectors, request.selectors)


def pins(store: Store, request: ExportRequest, selectors: Selectors) -> Pins:
    """Pin one snapshot of the store for a run."""
    snapshot = store.snapshot(request.snapshot)
    tables = {
        name: PinnedTable(name, snapshot.tables[name].version, tuple(sorted(store.files(snapshot, name))))
        for name in KIND_OF_TABLE
        if name in snapshot.tables
    }
    return Pins(
        snapshot=snapshot.id, tables=tables, policy=_policy(store, snapshot, request.policy_snapshot, selectors)
    )


def _policy(store: Store, snapshot: Snapshot, wanted: str | None, selectors: Selectors) -> PinnedPolicy | None:
    """Find a policy snapshot among those that the selected tenants may see."""
    if wanted is None:
        return None
    tenants = visible_tenants(selectors)
    found = {each: policy_snapshot(store, snapshot, tenant=each, snapshot_id=wanted) for each in tenants}
    owned = {each: one for each, one in found.items() if one is not None}
    if len(set(owned.values())) > 1:
        raise ValidationError(
            f"{' and '.join(owned)} have different policy snapshots {wanted!r}",
            advice="Select one tenant, and `shared: false` when it is the shared one that differs.",
        )
    if not owned:
        return None
    one = next(iter(owned.values()))
    # Shared evidence is everybody's: every tenant's policy may speak of it, and a shared policy of everybody's.
    whose = tenants if SHARED_TENANT in owned else tuple(sorted({*owned, SHARED_TENANT}))
    return PinnedPolicy(one.id, one.sha256, one.document, tuple(sorted(set(whose))))
