"""Provenance as a drawing: where every shape goes is decided here; the template only writes it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from web.figures import number, shorten, visible
from web.stated import counts_are_untold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web.around import Receipt
    from web.facts import BundleFacts

ENDS = 6
"""Inputs, and members, that are drawn one by one; further ones share the last line."""

WIDTH, TOP, ROW, FLOW = 920, 44, 40, 108
"""Drawing units: width, first row, height of a row, and the thickness of all ribbons together."""

LINK = 24
"""Thickness of the band between two boxes."""

LETTER = 8
"""Room for a letter, with some to spare."""

Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where everything stands from left to right, each as left edge and width.

    Attributes:
        left: Where ribbons leave the sources' labels.
        targets: Where targets' labels stand; None when there are none to draw.
    """

    left: int
    normalisers: Place
    adapters: Place
    bundle: Place
    targets: Place | None


WIDE = Columns(left=206, normalisers=(280, 140), adapters=(456, 140), bundle=(670, 249), targets=None)
FULL = Columns(left=166, normalisers=(214, 112), adapters=(350, 112), bundle=(510, 188), targets=(756, 164))
"""Without targets, and with some."""


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
        bundle: Left edge, text's left edge and width of the box that is the bundle.
        links: Outlines of the bands between boxes.
        targets: Where the bundle was sent; empty when nobody knows, as inside the bundle itself.
        targets_x: Left edge of the labels of targets.
    """

    width: int
    height: int
    box_top: int
    box_height: int
    inputs: tuple[End, ...]
    stages: tuple[Stage, ...]
    outputs: tuple[End, ...]
    bundle: tuple[int, int, int]
    links: tuple[str, ...]
    targets: tuple[End, ...]
    targets_x: int
    sentence: str


Weighed = tuple[str, int]
Named = tuple[str, str]


def graph(facts: BundleFacts, receipts: Sequence[Receipt] = ()) -> Graph:
    """Draw sources, normalisers, adapters and the bundle's members, and the targets it was sent to."""
    columns = FULL if receipts else WIDE
    sources = _ends(sorted(facts.counts.by_source.items(), key=lambda item: (-item[1], item[0])), "sources")
    members = _ends([(member.path, member.records or 0) for member in facts.members if member.is_evidence], "members")
    targets = _targets(receipts)
    rows = max(len(sources), len(members), len(targets), 3)
    middle = TOP + rows * ROW // 2
    sources_room = columns.left // LETTER
    inner = (columns.bundle[0], columns.bundle[0] + 12, columns.bundle[1])
    return Graph(
        width=WIDTH,
        height=TOP + rows * ROW + 8,
        box_top=TOP,
        box_height=rows * ROW,
        inputs=_drawn(sources, middle=middle, across=(columns.left, columns.normalisers[0]), room=sources_room),
        stages=_stages(facts, columns, rows),
        outputs=_drawn(
            members, middle=middle, across=(columns.bundle[0], _end(columns.adapters)), room=inner[2] // LETTER - 3
        ),
        bundle=inner,
        links=(_ribbon((_end(columns.normalisers), middle), (columns.adapters[0], middle - LINK // 2), LINK),),
        targets=_sent(targets, columns, middle),
        targets_x=0 if columns.targets is None else columns.targets[0],
        sentence=_sentence(facts, len(receipts)),
    )


def _end(place: Place) -> int:
    return place[0] + place[1]


def _stages(facts: BundleFacts, columns: Columns, rows: int) -> tuple[Stage, ...]:
    normalisers = tuple(f"{each.name} {each.version}" for each in facts.normalisers)
    adapters = tuple(f"{each.name} {each.version}" for each in facts.adapters)
    return (
        _stage("Normalisers", normalisers, rows=rows, place=columns.normalisers),
        _stage("Adapters", adapters, rows=rows, place=columns.adapters),
    )


def _targets(receipts: Sequence[Receipt]) -> list[Named]:
    named = [(f"{each.type} {each.location}", each.state) for each in receipts]
    if len(named) <= ENDS:
        return named
    return [*named[: ENDS - 1], (f"{number(len(named) - ENDS + 1)} more targets", "")]


def _sent(targets: list[Named], columns: Columns, middle: int) -> tuple[End, ...]:
    if columns.targets is None:
        return ()
    drawn = _drawn(
        [(name, 1) for name, _ in targets],
        middle=middle,
        across=(columns.targets[0] - 8, _end(columns.bundle)),
        room=columns.targets[1] // LETTER,
    )
    return tuple(replace(end, weight=visible(state)) for end, (_, state) in zip(drawn, targets, strict=True))


def _ends(items: Sequence[Weighed], noun: str) -> list[Weighed]:
    if len(items) <= ENDS:
        return list(items)
    rest = items[ENDS - 1 :]
    return [*items[: ENDS - 1], (f"{number(len(rest))} more {noun}", sum(weight for _, weight in rest))]


def _drawn(items: Sequence[Weighed], *, middle: int, across: tuple[int, int], room: int) -> tuple[End, ...]:
    """Stack ribbons at the box so that their thickness is the share of records, and spread them at the labels.

    Args:
        items: Names and weights.
        middle: The middle of the drawing.
        across: Where ribbons reach the labels, and where they reach the box.
        room: Letters that a label has room for.
    """
    total = sum(weight for _, weight in items) or 1
    widths = [max(2, weight * FLOW // total) for _, weight in items]
    inner = middle - sum(widths) // 2
    first = middle - len(items) * ROW // 2 + ROW // 2
    drawn = []
    for row, ((name, weight), width) in enumerate(zip(items, widths, strict=True)):
        y = first + row * ROW
        drawn.append(
            End(
                label=shorten(visible(name.removeprefix("data/")) or "(empty)", room),
                title=visible(name) or "(empty)",
                weight=_weight(name, weight),
                y=y,
                ribbon=_ribbon((across[0], y), (across[1], inner), width),
            )
        )
        inner += width
    return tuple(drawn)


def _weight(name: str, records: int) -> str:
    """Return how many records there are; of an encrypted member that does not say, nothing is not none."""
    if not records:
        return "encrypted" if name.endswith(".age") else "no records"
    return _many(records, "record")


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
    lines = [shorten(visible(name), place[1] // LETTER) for name in names]
    if len(lines) > room:
        lines = [*lines[: room - 1], f"{len(lines) - room + 1} more"]
    first = TOP + rows * ROW // 2 - (len(lines) - 1) * 10 + 5
    return Stage(title=title, lines=tuple(lines) or ("none",), x=place[0], width=place[1], first=first)


def _sentence(facts: BundleFacts, targets: int) -> str:
    evidence = sum(1 for member in facts.members if member.is_evidence)
    counted = f"{_many(facts.counts.records, 'record')} of {_many(len(facts.counts.by_source), 'source')}"
    what = "Encrypted evidence" if counts_are_untold(facts) else counted
    sent = f", sent to {_many(targets, 'target')}" if targets else ""
    return (
        f"{what} went through "
        f"{_many(len(facts.normalisers), 'normaliser')} and {_many(len(facts.adapters), 'adapter')} into "
        f"{_many(evidence, 'evidence member')}{sent}."
    )


def _many(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"
