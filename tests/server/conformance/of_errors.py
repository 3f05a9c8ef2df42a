"""Section 2: the error model; what failures deep inside look like comes last, for they break things."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.server.conformance.statements import Table
from tests.server.conformance.walking import away

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.conformance.walking import Walk

TABLE = Table()


@TABLE.proves("2", "every error has code, message, details, traceId and timestamp, and nothing else")
def _model(walk: Walk) -> None:
    errors = [each.answer for each in walk.people.seen if each.answer.status_code >= 400]
    assert len(errors) > 40
    for answer in errors:
        told = answer.json()
        assert told.keys() == {"code", "message", "details", "traceId", "timestamp"}
        assert all(isinstance(each, dict) for each in told["details"])
        assert told["traceId"] == answer.headers["x-trace-id"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timestamp"])


@TABLE.proves("2", "a path that is not there is 404, a method that it does not have 405 with Allow, too much 413")
def _http(walk: Walk) -> None:
    assert walk.acme.get("/nothing").json()["code"] == "ERR_EXPORT_NOT_FOUND"
    assert walk.acme.post("/runs/run-20200101-01:unknown").status_code == 404
    wrong = walk.acme.delete("/runs")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    large = walk.acme.post("/runs", json={"profileId": "x" * (1 << 20)})
    assert (large.status_code, large.json()["code"]) == (413, "ERR_EXPORT_REQUEST")


@TABLE.proves("2", "ERR_EXPORT_005 is 500: a signature cannot be made")
def _signing(walk: Walk) -> None:
    answer = walk.facts["no signature"]
    assert (answer.status_code, answer.json()["code"]) == (500, "ERR_EXPORT_005")


@TABLE.proves("2", "ERR_EXPORT_004 is 502: evidence cannot be read")
def _adapter(walk: Walk) -> None:
    table = next((walk.home / "evidence").rglob("*.parquet"))
    with _spoilt(table):
        answer = walk.acme.post("/runs:plan", json={"profileId": "json-raw"})
    assert (answer.status_code, answer.json()["code"]) == (502, "ERR_EXPORT_004"), answer.text


@TABLE.proves("2", "ERR_EXPORT_006 is 502 and names the driver: a target does not take the bundle")
def _distribution(walk: Walk) -> None:
    blobs = walk.home / "bundles" / "acme" / "blobs"
    with away(blobs), _in_the_way(blobs):
        answer = walk.acme.post("/runs", params={"wait": "60"}, json={"profileId": "json-raw"})
    assert (answer.status_code, answer.json()["code"]) == (502, "ERR_EXPORT_006"), answer.text
    assert [each["driver"] for each in answer.json()["details"]] == ["http"]
    (run,) = walk.acme.get("/runs", params={"pageSize": 1}).json()["items"]
    assert (run["status"], run["errorCode"]) == ("failed", "distribution")
    (failed,) = walk.acme.get(f"/runs/{run['runId']}/distributions").json()["items"]
    assert (failed["type"], failed["state"]) == ("http", "failed")


@TABLE.proves("2", "beyond the table: 503 while something is away, 500 when something is broken")
def _broken(walk: Walk) -> None:
    with away(walk.home / "profiles" / ".git"):
        gone = walk.acme.get("/profiles")
    assert (gone.status_code, gone.json()["code"]) == (503, "ERR_EXPORT_UNAVAILABLE"), gone.text
    assert int(gone.headers["retry-after"]) > 0
    run_id = walk.success["runId"]
    with away(walk.home / "bundles" / "acme" / run_id / f"export-{run_id}.tar.zst"):
        broken = walk.acme.get(f"/runs/{run_id}/manifest")
    assert (broken.status_code, broken.json()["code"]) == (500, "ERR_EXPORT_INTERNAL"), broken.text


@contextmanager
def _spoilt(path: Path) -> Iterator[None]:
    good = path.read_bytes()
    path.write_bytes(b"PAR1" + b"\0" * (len(good) - 8) + b"PAR1")
    try:
        yield
    finally:
        path.write_bytes(good)


@contextmanager
def _in_the_way(path: Path) -> Iterator[None]:
    """Have a file where a folder is expected."""
    path.touch()
    try:
        yield
    finally:
        path.unlink()
