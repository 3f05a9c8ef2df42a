"""Lines of framed members: which are records, which are evaluations, and what the index calls the id of one."""

from __future__ import annotations

import msgspec

from bundle.errors import FormatError

EVALUATIONS = "data/policy/evaluations.jsonl.zst"
"""The one member whose lines are evaluations of findings; the lines of all other framed members are records."""

KIND_OF_TABLE = {"advisories": "advisory", "findings": "finding", "sboms": "sbom", "vex": "vex"}
"""Types of records in the order of their members, and the ``kind`` their records carry."""

KIND_OF_MEMBER = {f"data/{table}.jsonl.zst": kind for table, kind in KIND_OF_TABLE.items()}
"""The kind of all records of a member."""


class Evaluation(msgspec.Struct, frozen=True):
    """What a policy said of one finding. Further fields travel along untouched."""

    finding: str
    decision: str
    rule: str


class _Record(msgspec.Struct, frozen=True):
    id: str


class _Evaluation(msgspec.Struct, frozen=True):
    finding: str


def id_of(member: str, line: bytes) -> str:
    """Return the id that the index of a member has for a line: a record's ``id``, an evaluation's ``finding``.

    Evaluations keep whatever other fields their policy engine gave them, an ``id`` of their own included.

    Raises:
        FormatError: The line is not the JSON it should be.
    """
    try:
        if member == EVALUATIONS:
            return msgspec.json.decode(line, type=_Evaluation).finding
        return msgspec.json.decode(line, type=_Record).id
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{member}: a line has no id: {error}") from error
