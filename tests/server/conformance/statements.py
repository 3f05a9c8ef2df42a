"""The table of the walk: every statement of the contract with the check that proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.conformance.walking import Walk

    Check = Callable[[Walk], None]


class Statement(NamedTuple):
    """A statement, the section that makes it, and what proves it."""

    section: str
    says: str
    check: Check


class Table:
    """Statements in the order in which they are proved."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def proves(self, section: str, says: str) -> Callable[[Check], Check]:
        """Add a check to the table."""

        def add(check: Check) -> Check:
            self.statements.append(Statement(section, says, check))
            return check

        return add
