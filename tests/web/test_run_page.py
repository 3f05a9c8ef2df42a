"""What the page of a run says, from what the API says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import HOSTILE
from web.layout import Layout
from web.run_page import RunEvent, RunFacts, render, run_page
from web.run_words import SHOWN, duration, earlier, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LAYOUT = Layout(mode="served", page="run", title="run-20260131-01: run", root="../../", api="../../api/export")


def run(**changes: Any) -> dict[str, Any]:
    return {
        "runId": "run-20260131-01",
        "status": "running",
        "profileId": "json-raw",
        "profileRevision": 1,
        "profileCommit": None,
        "createdAt": "2026-01-31T12:00:00Z",
        "createdBy": "user:ops",
        "startedAt": "2026-01-31T12:00:01Z",
        "endedAt": None,
        "durationSeconds": 4.25,
        "counts": {"records": 1234, "bytes": 5_600_000},
        "selectors": {},
        "policySnapshotId": None,
        "priority": "standard",
        "progress": {"adapters": [{"adapter": "json", "phase": "sign", "records": 1234, "bytes": 5_600_000}]},
        "submissionTraceId": "ab" * 16,
        **changes,
    }


def progress(*phases: str) -> tuple[RunEvent, ...]:
    return tuple(RunEvent(seq=2 + at, type="run.progress", data={"phase": each}) for at, each in enumerate(phases))


STAGES: Mapping[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "nothing while a run waits": ({"status": "pending"}, (), "ahead ahead ahead ahead ahead ahead"),
    "where a run is": ({}, ("plan", "adapter", "sign"), "done done done now ahead ahead"),
    "the furthest one when a run was begun again": ({}, ("plan", "pack", "plan"), "done done done done now ahead"),
    "all of one that went well": ({"status": "success"}, ("plan",), "done done done done done done"),
    "where one failed": (
        {"status": "failed", "errorCode": "signing", "error": {"code": "E", "message": "m", "details": []}},
        ("plan", "sign"), "done done done failed ahead ahead",
    ),
    "nothing for a stage of a later version": ({}, ("plan", "polish"), "now ahead ahead ahead ahead ahead"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "phases", "states"), STAGES.values(), ids=STAGES)
def test_stages_show(changes: dict[str, Any], phases: tuple[str, ...], states: str) -> None:
    facts = RunFacts(run=run(**changes), tenant="acme", events=progress(*phases))
    assert " ".join(each.state for each in run_page(facts).stages) == states


CANCEL = {
    "whoever may, while it runs": ({}, True, True),
    "nobody else": ({}, False, False),
    "nobody, once it is over": ({"status": "success"}, True, False),
    "nobody, once somebody has asked": ({"cancelRequestedAt": "2026-01-31T12:00:02Z"}, True, False),
}


@pytest.mark.parametrize(("changes", "may", "can"), CANCEL.values(), ids=CANCEL)
def test_a_run_can_be_canceled_by(changes: dict[str, Any], may: bool, can: bool) -> None:
    page = render(RunFacts(run=run(**changes), tenant="acme", events=(), may_cancel=may), LAYOUT).decode()
    assert ("data-allowed" in page) is can


def test_foreign_words_are_texts() -> None:
    events = (
        RunEvent(seq=1, type=HOSTILE, data={"timestamp": HOSTILE}),
        RunEvent(seq=2, type="run.failed", data={"errorCode": HOSTILE, "error": {"message": HOSTILE}}),
        RunEvent(seq=3, type="run.distribution", data={"type": HOSTILE, "state": [HOSTILE], "sizeBytes": HOSTILE}),
    )
    failed = {"status": "failed", "errorCode": HOSTILE, "error": {"code": HOSTILE, "message": HOSTILE, "details": [{}]}}
    words = dict.fromkeys(("profileId", "createdBy", "createdAt", "priority", "policySnapshotId"), HOSTILE)
    adapters = {"adapters": [{"adapter": HOSTILE, "phase": HOSTILE, "records": 1, "bytes": 1}]}
    facts = run(**failed, **words, selectors={HOSTILE: HOSTILE}, progress=adapters)
    page = render(RunFacts(run=facts, tenant=HOSTILE, events=events), LAYOUT).decode()
    assert "evil.example" in page
    assert not re.search(r"<img|<script src=\"https|\u202e", page)


DURATIONS = {
    0: "0 s",
    4.25: "4.3 s",
    59.9: "59.9 s",
    60: "1 min",
    3725.9: "1 h 2 min",
    86_400: "1 d",
    90_061: "1 d 1 h",
}


@pytest.mark.parametrize(("seconds", "words"), DURATIONS.items())
def test_time_spans_have_their_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == words


def test_an_event_of_a_later_version_is_shown_by_its_name() -> None:
    said = say(7, "run.polished", {"timestamp": "2026-01-31T12:00:00.5Z", "shine": 3})
    assert (said.seq, said.shown, said.title, said.text) == (7, "2026-01-31 12:00:00 UTC", "run.polished", "")


def test_the_newest_events_are_in_the_page_and_how_many_are_not_is_said() -> None:
    told = progress("plan", *["adapter"] * (SHOWN + 1))
    page = run_page(RunFacts(run=run(), tenant="acme", events=told))
    assert [page.events[0].seq, page.events[-1].seq, len(page.events)] == [4, SHOWN + 3, SHOWN]
    assert (page.state["last"], page.state["earlier"]) == (SHOWN + 3, 2)
    assert [each.state for each in page.stages[:2]] == ["done", "now"]
    facts = RunFacts(run=run(status="success"), tenant="acme", events=told)
    text = render(facts, LAYOUT).decode().replace("\u202f", " ")
    assert "The newest 2 000 events are shown; 2 earlier ones are left out." in text
    assert "All its events are below" not in text
    assert run_page(RunFacts(run=run(), tenant="acme", events=told[:SHOWN])).earlier == ""


EVENTS: Mapping[str, dict[str, Any]] = {
    "run.accepted": {"profileId": HOSTILE},
    "run.progress": {"phase": HOSTILE, "records": 1234, "bytes": 5_600_000},
    "run.signed": {"keyId": "\u202e" + HOSTILE},
    "run.distribution": {"type": HOSTILE, "state": "\u200b", "sizeBytes": 999},
    "run.succeeded": {"records": 1, "bytes": 2},
    "run.failed": {"errorCode": HOSTILE, "error": {"message": HOSTILE}},
    "run.canceled": {"canceledBy": HOSTILE, "reason": HOSTILE},
    HOSTILE: {},
    "constructor": {},
}


@pytest.mark.counterpart
def test_events_that_come_later_are_said_as_those_that_were_there(in_node: Callable[..., Any]) -> None:
    counts = [0, 1, 2, 12_345]
    said = in_node(
        "const { say, earlier, stage } = ExportCenter.runWords; return { stage: stage(input.hostile), "
        "events: input.events.map(([type, data]) => say(type, data)), earlier: input.counts.map(earlier) }",
        {"events": list(EVENTS.items()), "counts": counts, "hostile": HOSTILE},
        ("site/run_words.js",),
    )
    assert said["earlier"] == [earlier(count) for count in counts]
    assert said["events"] == [[one.title, one.text] for one in (say(1, kind, data) for kind, data in EVENTS.items())]
    assert "\u202e" not in str(said)


FOLLOW = """
const EC = ExportCenter;
const ending = new AbortController();
let asked = 0;
EC.session = { SignInNeeded: class extends Error {}, fetch: async () => {
  if (++asked > 1) ending.abort();
  return new Response(`retry: 1\n\nid: 7\nevent: run.progress\ndata: ${input}\n\n`);
} };
EC.problems = { words: String };
const told = { url: "/events", after: 0, signal: ending.signal, onState() {}, onEvent: () => true };
return EC.events.follow(told).then(() => ({ asked, error: "" }), (error) => ({ asked, error: error.message }));
"""


@pytest.mark.counterpart
def test_an_event_that_cannot_be_read_is_said_and_not_asked_for_again(in_node: Callable[..., Any]) -> None:
    broken = in_node(FOLLOW, '{"records": 1', ("site/events.js",))
    assert broken["asked"] == 1
    assert broken["error"].startswith("An event cannot be shown: ")
    assert in_node(FOLLOW, '{"records": 1}', ("site/events.js",)) == {"asked": 1, "error": ""}
