"""The steps of verification as a reader is told of them, with the numbers of docs/format.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckStep:
    """A numbered step.

    Attributes:
        number: As in docs/format.md, "Verification".
        text: What holds when it passes.
        here: Whether a browser does it; only the command line does the others.
    """

    number: int
    text: str
    here: bool = True


STEPS = (
    CheckStep(1, "The container is, byte for byte, what a writer of this format makes; its signed files come first."),
    CheckStep(2, "The signature over export.json is that of a key you supplied."),
    CheckStep(3, "export.json is canonical, follows its schema and does not contradict itself."),
    CheckStep(4, "The other signed files are, byte for byte, what export.json and that key ask for."),
    CheckStep(5, "The members that export.json lists follow, in its order, with its sizes, and nothing else."),
    CheckStep(6, "Every member has the SHA-256 that export.json lists."),
    CheckStep(7, "Records decompress, and their frames are those that export.json and the frame tables list."),
    CheckStep(
        8, "Record indexes have one sorted row a record, search indexes name frames that exist; roots list their pages."
    ),
    CheckStep(9, "checksums.txt lists every member, in order, with its digest."),
    CheckStep(10, "cosign.pub is the key that verified."),
    CheckStep(11, "Nothing follows the last member."),
    CheckStep(
        12, "Every record by itself: its form, its order, its place in the index, and the counts of all.", here=False
    ),
)
"""All steps, in order."""
