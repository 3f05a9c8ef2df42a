"""json:raw and json:policy: every selected record as one line, exactly as it was derived when it was ingested."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.adapter import Adapted, PolicySnapshot, Request, StagedMember
from adapters.framed import FramedWriter, tallied, write_framed
from adapters.staged import stage_bytes
from adapters.tally import Tally
from bundle.canonical import canonical_json
from bundle.digests import id_hash
from bundle.lines import Evaluation
from bundle.manifest import PolicySnapshotFacts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

EVALUATIONS_A_BATCH = 65_536
NO_POLICY = b'"policySnapshotId":null,"purls":'
"""Where a finding's line names its policy snapshot: the last such bytes, as content is the envelope's first field."""


class StoredPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """A policy snapshot as an operator stores it."""

    id: str
    created_at: str
    policies: msgspec.Raw
    evaluations: list[msgspec.Raw]


@dataclass(frozen=True)
class JsonRaw:
    """Adapter ``json:raw``."""

    name: str = "json:raw"
    version: str = "1"

    def adapt(self, request: Request) -> Adapted:
        """Write one framed member a table."""
        tally = Tally()
        written = [_write_table(request, table, tally, mentioned=frozenset()) for table in request.tables]
        return _adapted(written, tally)


@dataclass(frozen=True)
class JsonPolicy:
    """Adapter ``json:policy``: the same, with findings and what a policy snapshot decided about them."""

    name: str = "json:policy"
    version: str = "1"

    def adapt(self, request: Request) -> Adapted:
        """Write the tables, then the policy snapshot and its evaluations when there is one."""
        tally = Tally()
        policy = msgspec.json.decode(request.policy.document, type=StoredPolicy) if request.policy else None
        mentioned = frozenset(_findings(policy)) if policy else frozenset[str]()
        written = [_write_table(request, table, tally, mentioned=mentioned) for table in request.tables]
        if policy is None or request.policy is None:
            return _adapted(written, tally)
        written.append(_write_evaluations(request, policy))
        snapshot = _write_snapshot(request, request.policy, policy)
        facts = PolicySnapshotFacts(id=request.policy.id, sha256=request.policy.sha256)
        return _adapted(written, tally, snapshot=(snapshot,), policy=facts)


Written = tuple[StagedMember, tuple[StagedMember, ...]]


def _adapted(
    written: list[Written],
    tally: Tally,
    *,
    snapshot: tuple[StagedMember, ...] = (),
    policy: PolicySnapshotFacts | None = None,
) -> Adapted:
    data = sorted([*(member for member, _ in written), *snapshot], key=lambda staged: staged.member.path)
    indexes = sorted((one for _, many in written for one in many), key=lambda staged: staged.member.path)
    return Adapted(data=tuple(data), indexes=tuple(indexes), tally=tally, policy=policy)


def _write_table(request: Request, table: str, tally: Tally, *, mentioned: frozenset[str]) -> Written:
    stream = tallied(request.tables[table](), tally.add)
    if table == "findings":
        stream = _name_policy(stream, request.policy, mentioned=mentioned, tally=tally)
    # An error may be kept for long, and with it whatever its frames hold: the threads behind a stream end here.
    with closing(stream) as batches:
        writer = FramedWriter(request.staging, table, parameters=request.frames, workers=request.workers)
        return write_framed(writer, batches, lambda records, size: request.progress(table, records, size))


def _findings(policy: StoredPolicy) -> Iterator[str]:
    """Yield the record ids that evaluations mention; what follows a last "#" names a part of that record."""
    for raw in policy.evaluations:
        finding = msgspec.json.decode(raw, type=Evaluation).finding
        yield finding
        yield finding.rpartition("#")[0] or finding


def _name_policy(
    batches: Iterable[pa.RecordBatch], policy: PolicySnapshot | None, *, mentioned: frozenset[str], tally: Tally
) -> Generator[pa.RecordBatch, None, None]:
    """Write the policy snapshot's id into the lines of findings it evaluated; count the others.

    A snapshot speaks of the findings of its own tenants, and of nobody else's that bear the same ids.
    """
    names = pa.array(sorted(mentioned), pa.string())
    owners = pa.array(policy.tenants if policy else (), pa.string())
    for batch in batches:
        known = pc.is_in(batch.column("upstream_id"), value_set=names)
        its_own = pc.is_in(_plain(batch.column("tenant")), value_set=owners)
        chosen = np.flatnonzero(pc.and_(known, its_own).to_numpy(zero_copy_only=False))
        tally.findings_without_policy += batch.num_rows - len(chosen)
        yield _with_policy(batch, chosen, policy) if policy is not None and len(chosen) else batch


def _plain(column: pa.Array) -> pa.Array:
    """Return a column of texts that may have come as a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _with_policy(batch: pa.RecordBatch, chosen: np.ndarray, policy: PolicySnapshot) -> pa.RecordBatch:
    named = b'"policySnapshotId":' + canonical_json(policy.id) + b',"purls":'
    lines, digests = batch.column("line").to_pylist(), batch.column("line_sha256").to_pylist()
    for position in chosen.tolist():
        head, _, tail = lines[position].rpartition(NO_POLICY)
        lines[position] = head + named + tail
        digests[position] = hashlib.sha256(lines[position]).digest()
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns |= {"line": pa.array(lines, pa.binary()), "line_sha256": pa.array(digests, pa.binary(32))}
    return pa.RecordBatch.from_pydict(columns)


def _write_snapshot(request: Request, stored: PolicySnapshot, policy: StoredPolicy) -> StagedMember:
    """Write data/policy/snapshot.json: what was decided by, without the decisions themselves."""
    fields = {
        "createdAt": canonical_json(policy.created_at),
        "evaluations": canonical_json(len(policy.evaluations)),
        "id": canonical_json(policy.id),
        "policies": msgspec.json.format(bytes(policy.policies), indent=-1),
        "sha256": canonical_json(stored.sha256),
    }
    data = b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"
    path = request.staging / "policy-snapshot.json"
    return stage_bytes(data, path, name="data/policy/snapshot.json", media_type="application/json")


def _write_evaluations(request: Request, policy: StoredPolicy) -> Written:
    """Write data/policy/evaluations.jsonl.zst, ordered by finding, rule and the line itself."""
    lines = sorted(
        _evaluation_lines(policy), key=lambda item: (item[0].finding.encode(), item[0].rule.encode(), item[1])
    )
    writer = FramedWriter(request.staging, "policy/evaluations", parameters=request.frames, workers=request.workers)
    return write_framed(
        writer, _evaluation_batches(lines), lambda records, size: request.progress("evaluations", records, size)
    )


def _evaluation_lines(policy: StoredPolicy) -> Iterator[tuple[Evaluation, bytes]]:
    for raw in policy.evaluations:
        line = msgspec.json.format(bytes(raw), indent=-1) + b"\n"
        yield msgspec.json.decode(raw, type=Evaluation), line


def _evaluation_batches(lines: list[tuple[Evaluation, bytes]]) -> Iterator[pa.RecordBatch]:
    """Give evaluations the columns that framing and indexing need; an evaluation's key is its own digest."""
    for start in range(0, len(lines), EVALUATIONS_A_BATCH):
        part = lines[start : start + EVALUATIONS_A_BATCH]
        digests = pa.array([hashlib.sha256(line).digest() for _, line in part], pa.binary(32))
        yield pa.RecordBatch.from_pydict(
            {
                "id_hash": pa.array([id_hash(evaluation.finding) for evaluation, _ in part], pa.binary(8)),
                "key_hash": digests,
                "raw_sha256": digests,
                "line_sha256": digests,
                "line": pa.array([line for _, line in part], pa.binary()),
            }
        )
