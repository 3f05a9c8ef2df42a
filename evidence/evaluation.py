"""What a policy snapshot says of single findings, as it is stored and as it is exported."""

from __future__ import annotations

import msgspec


class Evaluation(msgspec.Struct, frozen=True):
    """What a policy decided about one finding, by which rule; other fields are kept as given."""

    finding: str
    decision: str
    rule: str
