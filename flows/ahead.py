"""Reading ahead: one thread produces while another consumes."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = TypeVar("Item")


class _Producer(Generic[Item]):
    """Runs a source in a thread; items travel in tuples, so that an item may itself be None or an error."""

    def __init__(self, source: Iterator[Item], depth: int) -> None:
        self._source = source
        self.items: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(depth)
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            for item in self._source:
                self._put((item,))
                if self.stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are consumed
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: tuple[Item] | BaseException | None) -> None:
        while not self.stopped.is_set():
            try:
                self.items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return


def ahead(source: Iterator[Item], *, depth: int = 2) -> Iterator[Item]:
    """Yield what ``source`` yields, in order, while a thread produces up to ``depth`` items more.

    An error of the source is raised here, after the items before it. When the consumer stops early, so does the thread.
    """
    producer = _Producer(source, depth)
    thread = threading.Thread(target=producer.run, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := producer.items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        producer.stopped.set()
        thread.join()
