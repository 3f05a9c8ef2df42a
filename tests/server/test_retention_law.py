"""What is removed is exactly what the rule says, for any history of runs, clocks and looks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from flows.delivered import HERE, Delivery
from flows.profiles import Profile, Retention
from ledger import audit, distributions, runs, states
from ledger.database import open_ledger
from ledger.receipts import Receipt
from ledger.runs import Submission
from ledger.times import DAY_SECONDS, SECOND
from server.retention import Keeper

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAY = DAY_SECONDS * SECOND
RETENTIONS = [
    Retention(mode="forever"),
    *(Retention(mode="days", value=value) for value in (1, 3)),
    *(Retention(mode="count", value=value) for value in (1, 2, 3)),
]


@dataclass(frozen=True)
class Run:
    """A run that is made after a while; ``fate`` is how it ends: "again" well, at its second try to send."""

    after: int
    profile: str
    retention: Retention
    content: bytes
    fate: str


@dataclass(frozen=True)
class Look:
    """The keeper of one of two servers looks, after a while."""

    after: int
    server: int


WHILES = st.sampled_from([0, 1, DAY // 2, DAY, 2 * DAY])
STEPS = st.one_of(
    st.builds(
        Run,
        after=WHILES,
        profile=st.sampled_from(["daily", "weekly"]),
        retention=st.sampled_from(RETENTIONS),
        content=st.sampled_from([b"a", b"b"]),
        fate=st.sampled_from(["good", "good", "again", "killed", "failed"]),
    ),
    st.builds(Look, after=WHILES, server=st.integers(0, 1)),
)


@dataclass
class World:
    """A ledger, a folder of bundles, and two keepers; beside them, what a naive reader of the rules would keep."""

    folder: Path
    now: int = 1_761_739_931_000_000
    made: list[tuple[str, Run, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = open_ledger(f"sqlite:///{self.folder / 'ledger.db'}")
        # What is tested here survives no power cut, and takes a tenth of the time.
        event.listen(self.ledger.engine, "connect", lambda made, _: made.execute("PRAGMA synchronous = OFF"))
        self.ledger.engine.dispose()
        self.keepers = [Keeper(self.ledger, self.folder / "bundles", lambda: self.now) for _ in range(2)]

    def run(self, step: Run) -> None:
        with self.ledger.writing() as connection:
            run_id = runs.admit(connection, submission(step.profile), now=self.now)
            distributions.register(connection, run_id, ["http"])
            states.start(connection, run_id, flow_run_id=None, now=self.now)
            row = runs.find(connection, run_id, tenant=None)
            delivery = Delivery(ledger=self.ledger, row=row, bundles=self.folder / "bundles", clock=lambda: self.now)
            distributions.hold(connection, run_id, HERE, str(delivery.staging.of_run(run_id)))
        exported = self._send(delivery, step)
        if step.fate in ("good", "again"):
            delivery.succeed(exported)
            self.made.append((run_id, step, self.now))
            return
        # Nobody tidies up after it: its process is gone.
        with self.ledger.writing() as connection:
            states.fail(connection, run_id, error_code="crashed", error={}, now=self.now)

    def _send(self, delivery: Delivery, step: Run) -> Any:
        run_id = delivery.row["run_id"]
        work = delivery.staging.of_run(run_id) / ".making"
        work.mkdir(parents=True)
        path = work / "made.zip"
        path.write_bytes(step.content)
        written = SimpleNamespace(path=path, sha256=hashlib.sha256(step.content).hexdigest(), bytes=len(step.content))
        manifest = SimpleNamespace(
            counts=SimpleNamespace(records=1), content_digest="0" * 64, as_of="2025-01-01T00:00:00Z"
        )
        exported: Any = SimpleNamespace(written=written, manifest=manifest)
        if step.fate == "again":
            # A keeper may look between the tries.
            delivery.tell(Receipt(type=HERE, state="failed", reason="No space left on device"))
            self.keepers[0].once()
        if step.fate != "killed":
            plan: Any = SimpleNamespace(profile=profile(step.retention))
            delivery.send(plan, exported, delivery.open("zip"), step=lambda _name, stage, *arguments: stage(*arguments))
            path.unlink()
            work.rmdir()
        return exported

    def kept(self) -> dict[str, bytes]:
        """What the rule keeps now, said without a database."""
        return {
            run_id: step.content
            for position, (run_id, step, at) in enumerate(self.made)
            if not (step.retention.mode == "days" and self.now >= at + (step.retention.value or 0) * DAY)
            and not (
                step.retention.mode == "count"
                and sum(later.profile == step.profile for _, later, _ in self.made[position + 1 :])
                >= (step.retention.value or 0)
            )
        }

    def found(self) -> dict[str, bytes]:
        bundles = (self.folder / "bundles" / "acme").glob("run-*/*.zip")
        return {path.parent.name: path.read_bytes() for path in bundles}

    def everything(self) -> set[str]:
        return {path.name for path in (self.folder / "bundles").rglob("*") if path.is_file()}


def profile(retention: Retention) -> Profile:
    return Profile(
        profile_id="x", name="x", kind="json", variant="raw", include=("vex",), retention=retention, layout="zip"
    )


def submission(profile_base: str) -> Submission:
    return Submission(
        tenant="acme", profile_id=profile_base, profile_base=profile_base, profile_revision=1, profile_commit=None,
        selectors={}, policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops",
        trace_id="0" * 32, trace_parent="",
    )  # fmt: skip


def good(after: int, mode: str, value: int) -> Run:
    retention = Retention(mode=mode, value=value)  # type: ignore[arg-type]
    return Run(after=after, profile="daily", retention=retention, content=b"a", fate="good")


@settings(max_examples=40, deadline=None)
# One that has gone counts still; without that, when somebody looks would decide.
@example(steps=[good(0, "count", 2), good(0, "days", 1), Look(after=DAY, server=1), good(0, "days", 1)])
@example(steps=[Run(after=0, profile="daily", retention=RETENTIONS[0], content=b"a", fate="again"), Look(0, 0)])
@given(steps=st.lists(STEPS, max_size=14))
def test_what_is_removed_is_exactly_what_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Run | Look]
) -> None:
    world = World(tmp_path_factory.mktemp("law"))
    for step in [*steps, Look(after=0, server=0)]:
        world.now += step.after
        if isinstance(step, Run):
            world.run(step)
            continue
        world.keepers[step.server].once()
        kept = world.kept()
        assert world.found() == kept
        digests = {hashlib.sha256(content).hexdigest() for content in kept.values()}
        assert world.everything() == digests | {f"export-{run_id}.zip" for run_id in kept}
    with world.ledger.reading() as connection:
        targets = distributions.of_runs(connection, [run_id for run_id, _, _ in world.made])
        assert audit.verify(connection, "acme") is None
    world.ledger.close()
    states_of = {run_id: target["state"] for run_id, (target,) in targets.items()}
    assert states_of == {run_id: "finished" if run_id in kept else "expired" for run_id in states_of}
