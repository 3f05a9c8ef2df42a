"""Server-Sent Events, as the HTML standard reads them: bytes in pieces of any size become messages."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from client.errors import UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 24
"""Characters of the longest line, and of the longest message."""

BYTE_ORDER_MARK = "\ufeff"
_LINE_END = re.compile("\r\n|\n|\r")


class Message(NamedTuple):
    """One message; ``id`` is the last one that the stream told, as resuming needs it."""

    id: str
    event: str
    data: str


class Parser:
    """Reads one connection.

    Attributes:
        retry_ms: How long the server wants clients to wait before they connect again; None until it says so.
        last_id: What to resume after.
    """

    def __init__(self, last_id: str = "") -> None:
        """Begin; ``last_id`` is what an earlier connection ended with."""
        self.retry_ms: int | None = None
        self.last_id = last_id
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_at_start = True
        self._after_cr = False
        self._pieces: list[str] = []
        self._waiting = 0
        self._id = last_id
        self._event = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the next bytes, and yield the messages that they complete.

        Raises:
            UnexpectedError: A line or message is longer than any of the service.
        """
        text = self._beginning(self._decoder.decode(data))
        if not text:
            return
        self._after_cr = text.endswith("\r")
        first, *others = _LINE_END.split(text)
        self._keep(first)
        for piece in others:
            line = "".join(self._pieces)
            self._pieces.clear()
            yield from self._line(line)
            self._keep(piece)

    def _beginning(self, text: str) -> str:
        """Drop a byte order mark, and the second half of a line end that was torn apart."""
        if self._is_at_start and text:
            self._is_at_start = False
            text = text.removeprefix(BYTE_ORDER_MARK)
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        return text

    def _keep(self, piece: str) -> None:
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting > LONGEST:
            raise UnexpectedError(f"the stream of events has a message of more than {LONGEST:,} characters")

    def _line(self, line: str) -> Iterator[Message]:
        if line:
            self._field(*_split(line))
            return
        self.last_id = self._id
        if self._data:
            yield Message(self._id, self._event or "message", "\n".join(self._data))
        self._event, self._data, self._waiting = "", [], 0

    def _field(self, name: str, value: str) -> None:
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_ms = int(value[:9])


def _split(line: str) -> tuple[str, str]:
    """Return a line's field and value; of a comment, the field is empty."""
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")
