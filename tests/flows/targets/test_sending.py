"""A bundle reaches its targets: bytes everywhere first, names last, and a receipt of every change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from flows.errors import DistributionError, ValidationError
from flows.profiles import Retention
from flows.targets import TARGETS, check_targets, open_targets
from flows.targets.sending import TRIES, Terms, send
from flows.targets.target import BlobGoneError, Parcel, Place, Placed, TargetError
from ledger.receipts import Receipt
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_761_739_931_000_000


@dataclass
class Remote:
    """A target in memory; ``faults`` says which acts fail, and with what."""

    faults: dict[str, Exception] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    losses: int = 0

    def has(self, digest: str) -> bool:
        self._act("has")
        return digest in self.blobs

    def put(self, parcel: Parcel) -> None:
        self._act("put")
        self.blobs.add(parcel.sha256)

    def point(self, name: str, digest: str) -> Placed:
        self._act("point")
        if self.losses:
            self.losses -= 1
            self.blobs.discard(digest)
        if digest not in self.blobs:
            raise BlobGoneError("it is gone")
        self.names[name] = digest
        return Placed(f"remote/{name}")

    def _act(self, name: str) -> None:
        self.acts.append(name)
        if name in self.faults:
            raise self.faults[name]


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    return Parcel(name="run-1", path=tmp_path / "made", sha256="a" * 64, size=5, layout="zip")


def sent(targets: dict[str, Remote], parcel: Parcel, **retention: Any) -> tuple[tuple[Receipt, ...], list[Receipt]]:
    told: list[Receipt] = []
    terms = Terms(retention=Retention(**(retention or {"mode": "forever"})), clock=lambda: NOW)
    return send(targets, parcel, terms, told.append), told


def test_every_target_takes_the_bytes_before_any_name_is_given(parcel: Parcel) -> None:
    order: list[tuple[str, str]] = []
    targets = {name: Remote() for name in ("one", "two")}
    for name, remote in targets.items():
        remote.acts = Following(name, order)
    receipts, told = sent(targets, parcel)
    assert order == [
        ("one", "has"), ("one", "put"), ("two", "has"), ("two", "put"), ("one", "point"), ("two", "point"),
    ]  # fmt: skip
    assert [(each.type, each.state) for each in told] == [
        ("one", "pending"), ("two", "pending"), ("one", "finished"), ("two", "finished"),
    ]  # fmt: skip
    assert told[2:] == list(receipts)
    assert receipts[0] == Receipt(
        type="one", state="finished", location="remote/run-1", sha256="a" * 64, size_bytes=5, layout="zip",
        started_at=NOW, finished_at=NOW,
    )  # fmt: skip


class Following(list[str]):
    """A list of one target's acts that is also kept in the order of all."""

    def __init__(self, name: str, order: list[tuple[str, str]]) -> None:
        super().__init__()
        self._name, self._order = name, order

    def append(self, act: str) -> None:
        super().append(act)
        self._order.append((self._name, act))


def test_bytes_that_a_target_has_are_not_sent_again(parcel: Parcel) -> None:
    remote = Remote(blobs={parcel.sha256})
    sent({"one": remote}, parcel)
    assert remote.acts == ["has", "point"]
    sent({"one": remote}, parcel)
    assert remote.names == {"run-1": parcel.sha256}


FAULTS = {
    "the question whether it has the bytes": ("has", TargetError("no route"), "no route"),
    "taking the bytes": ("put", OSError(28, "No space left on device"), "No space left on device"),
    "giving the name": ("point", TargetError("refused"), "refused"),
    "an error of the system without words": ("put", TimeoutError(), "TimeoutError"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_target_that_fails_is_named_with_the_reason(parcel: Parcel, what: str) -> None:
    act, fault, reason = FAULTS[what]
    good, bad, told = Remote(), Remote(faults={act: fault}), []
    terms = Terms(retention=Retention(mode="forever"), clock=lambda: NOW)
    with pytest.raises(DistributionError) as caught:
        send({"good": good, "bad": bad}, parcel, terms, told.append)
    assert (caught.value.driver, caught.value.reason, caught.value.code) == ("bad", reason, "ERR_EXPORT_006")
    assert (told[-1].type, told[-1].state, told[-1].reason) == ("bad", "failed", reason)
    assert told[-1].location is None
    assert bad.names == {}
    # What another target shows by then is told; before any name was given, none shows anything.
    finished = {each.type for each in told if each.state == "finished"}
    assert finished == ({"good"} if good.names else set())
    assert bool(good.names) == (act == "point")


@pytest.mark.parametrize("act", ["has", "put", "point"])
def test_after_a_failure_only_what_is_missing_is_done(parcel: Parcel, act: str) -> None:
    good, bad = Remote(), Remote(faults={act: TargetError("busy")})
    terms = Terms(retention=Retention(mode="forever"), clock=lambda: NOW)
    with pytest.raises(DistributionError):
        send({"good": good, "bad": bad}, parcel, terms, lambda _: None)
    bad.faults.clear()
    good.acts.clear()
    bad.acts.clear()
    receipts, _ = sent({"good": good, "bad": bad}, parcel)
    assert [each.state for each in receipts] == ["finished", "finished"]
    assert "put" not in good.acts
    assert ("put" in bad.acts) == (act != "point")


def test_bytes_that_go_before_they_have_a_name_are_put_again(parcel: Parcel) -> None:
    remote = Remote(losses=TRIES)
    sent({"one": remote}, parcel)
    assert remote.names == {"run-1": parcel.sha256}
    hopeless = Remote(losses=TRIES + 1)
    with pytest.raises(DistributionError):
        sent({"one": hopeless}, parcel)
    assert hopeless.names == {}


EXPIRIES: dict[str, tuple[dict[str, Any], int | None, int | None]] = {
    "for days": ({"mode": "days", "value": 2}, NOW + 2 * DAY_SECONDS * SECOND, None),
    "the newest ones": ({"mode": "count", "value": 3}, None, 3),
    "for ever": ({"mode": "forever"}, None, None),
}


@pytest.mark.parametrize("what", EXPIRIES)
def test_a_receipt_says_how_long_the_bundle_is_kept(parcel: Parcel, what: str) -> None:
    retention, expires_at, keep = EXPIRIES[what]
    ((receipt,), _) = sent({"one": Remote()}, parcel, **retention)
    assert (receipt.expires_at, receipt.keep) == (expires_at, keep)


def test_a_teller_that_refuses_ends_it_before_anything_is_sent(parcel: Parcel) -> None:
    remote = Remote()

    def refuse(_receipt: Receipt) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        send({"one": remote}, parcel, Terms(retention=Retention(mode="forever"), clock=lambda: NOW), refuse)
    assert remote.acts == []


def test_targets_that_are_not_there_are_refused_with_their_place(make_place: Callable[[], Place]) -> None:
    check_targets(["http"])
    with pytest.raises(ValidationError) as caught:
        check_targets(["object", "http", "oci"])
    assert [each.field for each in caught.value.details] == ["distribution[0]", "distribution[2]"]
    assert "http" in caught.value.message
    with pytest.raises(ValidationError):
        open_targets(["oci"], make_place())
    assert open_targets(["http"], make_place()).keys() == {"http"} == TARGETS.keys()


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[[], Place]:
    return lambda: Place(bundles=tmp_path, tenant="acme", layout="zip")
