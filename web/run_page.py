"""The page of a run: what is known of it, how far it is, and every event it told. A script follows it from there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from web.figures import number, size, visible
from web.run_words import PHASES, SHOWN, Said, duration, earlier, say, status_words, utc
from web.selection_words import selectors
from web.stated import Fact
from web.templating import render as fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from web.layout import Layout

OVER = ("success", "failed", "canceled")


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """One event of a run: its number, type and data, as the API's stream has them."""

    seq: int
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run.

    Attributes:
        run: The run as the API shows it (``GET /runs/{runId}``).
        tenant: Whose it is.
        events: Every event it told so far, in order.
        bundle: The way to its bundle's page; None while there is no bundle, or when that has gone.
        may_cancel: Whether whoever looks may cancel it.
    """

    run: Mapping[str, Any]
    tenant: str
    events: Sequence[RunEvent]
    bundle: str | None = None
    may_cancel: bool = False


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage on a run's way; ``state`` is "done", "now" or "ahead"."""

    name: str
    title: str
    state: str


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """One run, ready to be written down.

    Attributes:
        events: The newest ones, at most ``SHOWN``.
        earlier: Says how many events before those are left out; "" when none are.
        state: What the script begins with: {run, last, isOver, earlier}; ``last`` is the number of the newest event
            shown, ``earlier`` how many are left out.
    """

    run_id: str
    status: str
    lead: str
    counters: tuple[Fact, ...]
    notice: str
    notice_detail: tuple[str, ...]
    stages: tuple[Stage, ...]
    adapters: tuple[Mapping[str, str], ...]
    events: tuple[Said, ...]
    earlier: str
    facts: tuple[Fact, ...]
    bundle: str | None
    can_cancel: bool
    is_over: bool
    state: Mapping[str, Any]


def render(facts: RunFacts, layout: Layout) -> bytes:
    """Return the page."""
    return fill("run.html", page=run_page(facts), layout=layout).encode()


def run_page(facts: RunFacts) -> RunPage:
    """Turn what is known of a run into what its page says."""
    run = facts.run
    is_over = run["status"] in OVER
    stages = _stages(facts)
    left_out = max(len(facts.events) - SHOWN, 0)
    return RunPage(
        run_id=visible(run["runId"]),
        status=run["status"],
        lead=f"Export of {visible(run['profileId'])} for {visible(facts.tenant)}, asked for by "
        f"{visible(run['createdBy'])}.",
        counters=_counters(run),
        notice=_notice(run),
        notice_detail=tuple(_details(run)),
        stages=stages,
        adapters=tuple(_adapter(each) for each in run["progress"]["adapters"] if each["adapter"]),
        events=tuple(say(each.seq, each.type, each.data) for each in facts.events[left_out:]),
        earlier=earlier(left_out),
        facts=_facts(run),
        bundle=facts.bundle,
        can_cancel=facts.may_cancel and not is_over and "cancelRequestedAt" not in run,
        is_over=is_over,
        state={
            "run": run["runId"],
            "last": facts.events[-1].seq if facts.events else 0,
            "isOver": is_over,
            "earlier": left_out,
        },
    )


def _counters(run: Mapping[str, Any]) -> tuple[Fact, ...]:
    counts, seconds = run["counts"], run["durationSeconds"]
    return (
        Fact(name="Status", value=status_words(run)),
        Fact(name="Records", value=number(counts["records"])),
        Fact(name="Written, plain", value=size(counts["bytes"])),
        Fact(name="Took" if run["endedAt"] else "Since its start", value="-" if seconds is None else duration(seconds)),
    )


def _notice(run: Mapping[str, Any]) -> str:
    if run["status"] == "failed":
        return f"This run failed: {visible(run['error']['message'])}"
    if run["status"] == "canceled":
        reason = run["cancelReason"]
        told = f", who said: {visible(reason)}" if reason else ""
        return f"This run was canceled by {visible(run['canceledBy'] or 'somebody')}{told}"
    if "cancelRequestedAt" in run:
        return "Somebody asked this run to end; it does so within seconds."
    return ""


def _details(run: Mapping[str, Any]) -> list[str]:
    if run["status"] != "failed":
        return []
    error = run["error"]
    said = (json.dumps(each, ensure_ascii=False, sort_keys=True) for each in error["details"])
    return [visible(each) for each in (f"errorCode {run['errorCode']}, {error['code']}", *said)]


def _stages(facts: RunFacts) -> tuple[Stage, ...]:
    names = [name for name, _ in PHASES]
    known = [each.data.get("phase") for each in facts.events if each.type == "run.progress"]
    reached = max((names.index(each) for each in known if each in names), default=-1)
    status = facts.run["status"]
    states = ["done" if status == "success" or at < reached else "ahead" for at in range(len(names))]
    if status not in ("success", "pending") and reached >= 0:
        states[reached] = "now" if status == "running" else status
    return tuple(
        Stage(name=name, title=title, state=state) for (name, title), state in zip(PHASES, states, strict=True)
    )


def _adapter(each: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "adapter": visible(each["adapter"]),
        "phase": dict(PHASES).get(each.get("phase", ""), visible(str(each.get("phase", "")))),
        "records": number(each["records"]),
        "bytes": size(each["bytes"]),
    }


def _facts(run: Mapping[str, Any]) -> tuple[Fact, ...]:
    told = {
        "Profile": f"{visible(run['profileId'])}, revision {number(run['profileRevision'])}",
        "Profile commit": visible(run["profileCommit"] or "not from a git repository"),
        "Selectors": _asked(run["selectors"]),
        "Policy snapshot": visible(run["policySnapshotId"] or "none"),
        "Priority": visible(run["priority"]),
        "Created": utc(visible(run["createdAt"])),
        "Started": utc(visible(run["startedAt"] or "not yet")),
        "Ended": utc(visible(run["endedAt"] or "not yet")),
        "Content digest": visible(run.get("contentDigest") or "none"),
        "Trace": visible(run["submissionTraceId"]),
    }
    return tuple(Fact(name=name, value=value) for name, value in told.items())


def _asked(stated: Mapping[str, Any]) -> str:
    """Return selectors in one line of words, with every value that a page lists."""
    restricting = [each for each in selectors(dict(stated)) if each.restricts]
    texts = (f"{each.name}: {', '.join(each.values + each.rest)}" for each in restricting)
    return "; ".join(texts) or "none: everything that the profile asks for"
