"""The process of one run: what a worker starts when it is told to, instead of what it would start by itself.

By itself, a worker starts a process that imports Prefect, asks for the deployment, fetches its code, and becomes
another process that imports Prefect again. Code that is installed needs no fetching, so this one begins at once.

Usage: ``python -m flows.process prefect.engine``; which run it is says the environment, as the worker sets it.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import runpy
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from flows import keeping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

Result = TypeVar("Result")


class Lasting(io.TextIOBase):
    """A stream whose reader may die: what is written then is lost, and the writer goes on.

    Prefect's console ends the process otherwise, and so a run at work when its worker dies.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write into a stream that has a descriptor."""
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the stream has it."""
        return self._stream.encoding

    def fileno(self) -> int:
        """As the stream has it."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, text: str) -> int:
        """Write, or do not."""
        return self._lasting(lambda: self._stream.write(text)) or len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        self._lasting(self._stream.flush)

    def _lasting(self, do: Callable[[], Result]) -> Result | None:
        try:
            return do()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            return None


def main(engine: str) -> None:
    """Do the run, apart from the worker: what ends the worker's group leaves runs at work."""
    os.setsid()
    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)
    with _known(os.environ):
        _import_all()
        # It was imported by others, and is to be the main module now.
        sys.modules.pop(engine, None)
        runpy.run_module(engine, run_name="__main__", alter_sys=True)


def _known(environ: Mapping[str, str]) -> AbstractContextManager[None]:
    """Let the service find this process: whoever leaves the worker's group is to be ended apart from it."""
    home, flow_run = environ.get("EXPORT_CENTER_HOME"), environ.get("PREFECT__FLOW_RUN_ID")
    if not home or not flow_run:
        return nullcontext()
    return keeping.at_work(Path(home) / keeping.AT_WORK / f"{keeping.PROCESS}{flow_run}.pid")


def _import_all() -> None:
    """Import what the run needs; looking for garbage among what stays anyway would take a sixth of the time."""
    gc.disable()
    for name in ("prefect.flow_engine", "flows.service"):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    main(sys.argv.pop(1))
