"""``data/trivy/report.json``: what a Trivy database holds, and what could not be expressed in one.

The file comes out of a bundle, so it is read as foreign: bounded, and without an exception whatever is in it. The page
then says what of it could not be read, which is not the same as saying that nothing was left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bundle.manifest import Member

PATH = "data/trivy/report.json"
"""Where the report lies in bundles of kind trivy."""

LARGEST = 16 * 1024 * 1024
"""Bytes of a report that are read."""

EXAMPLES = 20
"""Examples kept of each reason."""

REASONS = 100
"""Reasons kept; further ones are counted under one."""

LONGEST = 200
"""Characters kept of a text."""

OTHER = "(other)"


@dataclass(frozen=True, kw_only=True)
class Example:
    """One advisory, or one range of it, that is not in the database.

    Attributes:
        id: The advisory, as its source names it.
        package: The package it is about; empty when the reason concerns the whole advisory.
        ecosystem: That package's ecosystem or operating system; empty when there is none.
        source: Where the advisory came from.
        detail: What in particular could not be expressed, as upstream wrote it: "<1.2.3.4".
    """

    id: str
    package: str = ""
    ecosystem: str = ""
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something could not be expressed, how often, and some that it happened to.

    Attributes:
        code: The adapter's word for it: "no-driver".
        count: How many advisories or ranges; at least the number of examples.
        examples: EXAMPLES at most, in the report's order.
    """

    code: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True)
class TrivyReport:
    """A report, as far as the page shows it.

    Attributes:
        schema: Version of the database's schema; None when the report does not say.
        vulnerabilities: How many vulnerabilities have an entry; None when the report does not say.
        buckets: Advisories by bucket: an operating system's release, or an ecosystem and its source.
        severities: Vulnerabilities by severity.
        reasons: What could not be expressed, most frequent first.
        unexpressed: How many advisories or ranges that is.
        red_hat_stub: Whether Red Hat's content sets were written without any Red Hat advisory, so that Trivy scans
            such hosts and finds nothing, whatever is wrong with them.
        apply_vex: "suppress" or "annotate" when VEX statements changed what the database says; "" when not.
        unreadable: Why the report, or a part of it, is not shown; "" when all of it is.
    """

    schema: int | None = None
    vulnerabilities: int | None = None
    buckets: dict[str, int]
    severities: dict[str, int]
    reasons: tuple[Reason, ...]
    unexpressed: int
    red_hat_stub: bool
    apply_vex: str
    unreadable: str = ""


def member_of(members: Sequence[Member]) -> Member | None:
    """Return the member that is a readable report; None when there is none, or one that is encrypted or too large."""
    return next((each for each in members if each.path == PATH and each.bytes <= LARGEST), None)


def read(data: bytes) -> TrivyReport:
    """Read ``report.json``; what it cannot read is said in ``unreadable``.

    The fields it looks for::

        {"schema": 2, "vulnerabilities": 1234,
         "buckets": {"npm::Export Center": 900}, "severities": {"HIGH": 12},
         "unexpressed": [{"reason": "version-grammar", "id": "GHSA-…", "package": "left-pad", "ecosystem": "npm",
                          "source": "ghsa", "detail": "<1.2.3.4"}],
         "redHatStub": false, "applyVex": false}

    An entry of ``unexpressed`` may also stand for many: ``{"reason": …, "count": 40, "examples": [{"id": …}]}``.
    """
    if len(data) > LARGEST:
        return _none(f"The report has {len(data):,} bytes; it is not read beyond {LARGEST:,}.")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _none("The report is not JSON.")
    return _report(value) if isinstance(value, dict) else _none("The report is not a JSON object.")


def _none(unreadable: str) -> TrivyReport:
    return TrivyReport(
        buckets={}, severities={}, reasons=(), unexpressed=0, red_hat_stub=False, apply_vex="", unreadable=unreadable
    )


def _report(value: dict[str, Any]) -> TrivyReport:
    entries = value.get("unexpressed")
    listed = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    strange = entries is None or not isinstance(entries, list) or len(listed) < len(entries)
    reasons = _reasons(listed)
    return TrivyReport(
        schema=_count(value.get("schema")),
        vulnerabilities=_count(value.get("vulnerabilities")),
        buckets=_table(value.get("buckets")),
        severities=_table(value.get("severities")),
        reasons=reasons,
        unexpressed=sum(reason.count for reason in reasons),
        # Whatever is neither absent nor a plain no is shouted: an alarm that was not meant is the lesser harm.
        red_hat_stub=value.get("redHatStub") not in (None, False),
        apply_vex=_text(value.get("applyVex")),
        unreadable=_STRANGE if strange else "",
    )


_STRANGE = (
    "Its list of what could not be expressed is missing or not in the form this page reads; more may be left out."
)


def _reasons(entries: list[dict[str, Any]]) -> tuple[Reason, ...]:
    counts: Counter[str] = Counter()
    examples: dict[str, list[Example]] = {}
    for entry in entries:
        code = _text(entry.get("reason")) or "(no reason given)"
        code = code if code in examples or len(examples) < REASONS else OTHER
        found = entry["examples"] if isinstance(entry.get("examples"), list) else [entry]
        kept = examples.setdefault(code, [])
        kept += [_example(each) for each in found[: EXAMPLES - len(kept)] if isinstance(each, dict)]
        counts[code] += max(_count(entry.get("count")) or 0, len(found))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Reason(code=code, count=count, examples=tuple(examples[code])) for code, count in ordered)


def _example(entry: dict[str, Any]) -> Example:
    return Example(**{name: _text(entry.get(name)) for name in ("id", "package", "ecosystem", "source", "detail")})


def _table(value: Any) -> dict[str, int]:
    """Return a table of counts, without what is none."""
    items = value.items() if isinstance(value, dict) else ()
    counted = ((str(name)[:LONGEST], _count(count)) for name, count in items)
    return {name: count for name, count in counted if count is not None}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _text(value: Any) -> str:
    """Return a text, cut; numbers as they are written, and nothing for whatever else there may be."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
