"""Provenance as a drawing: where every shape goes is decided here; the template only writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.figures import number, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web.facts import BundleFacts

ENDS = 6
"""Inputs, and members, that are drawn one by one; further ones share the last line."""

WIDTH, TOP, ROW, FLOW = 880, 44, 40, 108
"""Drawing units: width, first row, height of a row, and the thickness of all ribbons together."""

STAGES = ((290, 140), (454, 140))
"""Left edge and width of the two boxes in the middle: normalisers and adapters."""

LINK = 24
"""Thickness of the band between the boxes."""

LEFT, RIGHT = 206, 664
"""Where ribbons leave the inputs, and where they reach the members."""


@dataclass(frozen=True, kw_only=True)
class End:
    """An input or a member: its label, what it weighs in words, its row's middle and its ribbon's outline."""

    label: str
    title: str
    weight: str
    y: int
    ribbon: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A box in the middle."""

    title: str
    lines: tuple[str, ...]
    x: int
    width: int
    first: int


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The whole drawing, and the sentence that says the same in words.

    Attributes:
        right: Left edge of the labels of members.
        link: Outline of the band between the two boxes.
    """

    width: int
    height: int
    box_top: int
    box_height: int
    inputs: tuple[End, ...]
    stages: tuple[Stage, ...]
    outputs: tuple[End, ...]
    right: int
    link: str
    sentence: str


Weighed = tuple[str, int]


def graph(facts: BundleFacts) -> Graph:
    """Draw inputs, normalisers, adapters and members of a bundle."""
    sources = _ends(sorted(facts.counts.by_source.items(), key=lambda item: (-item[1], item[0])), "sources")
    members = _ends([(member.path, member.records or 0) for member in facts.members if member.is_evidence], "members")
    rows = max(len(sources), len(members), 3)
    height = TOP + rows * ROW + 8
    middle = TOP + rows * ROW // 2
    normalisers = tuple(f"{each.name} {each.version}" for each in facts.normalisers)
    adapters = tuple(f"{each.name} {each.version}" for each in facts.adapters)
    return Graph(
        width=WIDTH,
        height=height,
        box_top=TOP,
        box_height=rows * ROW,
        inputs=_drawn(sources, middle=middle, start=LEFT, end=STAGES[0][0]),
        stages=(
            _stage("Normalisers", normalisers, rows=rows, place=STAGES[0]),
            _stage("Adapters", adapters, rows=rows, place=STAGES[1]),
        ),
        outputs=_drawn(members, middle=middle, start=RIGHT, end=STAGES[1][0] + STAGES[1][1]),
        right=RIGHT + 8,
        link=_ribbon((STAGES[0][0] + STAGES[0][1], middle), (STAGES[1][0], middle - LINK // 2), LINK),
        sentence=_sentence(facts),
    )


def _ends(items: Sequence[Weighed], noun: str) -> list[Weighed]:
    if len(items) <= ENDS:
        return list(items)
    rest = items[ENDS - 1 :]
    return [*items[: ENDS - 1], (f"{number(len(rest))} more {noun}", sum(weight for _, weight in rest))]


def _drawn(items: Sequence[Weighed], *, middle: int, start: int, end: int) -> tuple[End, ...]:
    """Stack ribbons at the box so that their thickness is the share of records, and spread them at the labels."""
    total = sum(weight for _, weight in items) or 1
    widths = [max(2, weight * FLOW // total) for _, weight in items]
    inner = middle - sum(widths) // 2
    first = middle - len(items) * ROW // 2 + ROW // 2
    drawn = []
    for row, ((name, weight), width) in enumerate(zip(items, widths, strict=True)):
        y = first + row * ROW
        drawn.append(
            End(
                label=shorten(visible(name.removeprefix("data/")) or "(empty)", 27),
                title=visible(name) or "(empty)",
                weight=_many(weight, "record") if weight else "no records",
                y=y,
                ribbon=_ribbon((start, y), (end, inner), width),
            )
        )
        inner += width
    return tuple(drawn)


def _ribbon(outer: tuple[int, int], inner: tuple[int, int], width: int) -> str:
    """Return the outline of a band between the middle of a label and the top of its place at a box."""
    (x0, middle), (x1, y1) = outer, inner
    thin = min(width, ROW - 12)
    y0, bend = middle - thin // 2, (x0 + x1) // 2
    return (
        f"M{x0} {y0}C{bend} {y0} {bend} {y1} {x1} {y1}"
        f"V{y1 + width}C{bend} {y1 + width} {bend} {y0 + thin} {x0} {y0 + thin}Z"
    )


def _stage(title: str, names: tuple[str, ...], *, rows: int, place: tuple[int, int]) -> Stage:
    room = max(1, (rows * ROW - 44) // 20)
    lines = [shorten(visible(name), 17) for name in names]
    if len(lines) > room:
        lines = [*lines[: room - 1], f"{len(lines) - room + 1} more"]
    first = TOP + rows * ROW // 2 - (len(lines) - 1) * 10 + 5
    return Stage(title=title, lines=tuple(lines) or ("none",), x=place[0], width=place[1], first=first)


def _sentence(facts: BundleFacts) -> str:
    evidence = sum(1 for member in facts.members if member.is_evidence)
    return (
        f"{_many(facts.counts.records, 'record')} of {_many(len(facts.counts.by_source), 'source')} went through "
        f"{_many(len(facts.normalisers), 'normaliser')} and {_many(len(facts.adapters), 'adapter')} into "
        f"{_many(evidence, 'evidence member')}."
    )


def _many(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"
