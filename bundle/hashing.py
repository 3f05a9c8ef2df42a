"""SHA-256 of a stream, computed in a thread beside the one that reads or writes it."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

BATCH = 1 << 20
"""Bytes handed to the thread at once."""

AHEAD = 8
"""Batches that may wait to be hashed: enough to overlap, few enough to bound memory."""


class StreamDigest:
    """Hashes pieces in the order they are given; used as a context manager, which ends its thread."""

    def __init__(self) -> None:
        """Start without any bytes."""
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._waiting: deque[Future[None]] = deque()
        self._batch: list[bytes] = []
        self._held = 0

    def update(self, data: bytes) -> None:
        """Take the next piece, which must not change any more."""
        self._batch.append(data)
        self._held += len(data)
        if self._held >= BATCH:
            self._hand_over()
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        """Return the SHA-256 of all pieces so far, in hexadecimal."""
        while self._waiting:
            self._waiting.popleft().result()
        # Nobody else hashes now; so short a stream never starts the thread.
        self._hash(self._batch)
        self._batch, self._held = [], 0
        return self._digest.hexdigest()

    def _hand_over(self) -> None:
        self._waiting.append(self._pool.submit(self._hash, self._batch))
        self._batch, self._held = [], 0

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread; pieces that still wait are dropped."""
        self._pool.shutdown(cancel_futures=True)
