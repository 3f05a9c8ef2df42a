"""The process of a run: apart from its worker, and Prefect's engine with the flow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

from flows import keeping

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "flows.process", "prefect.engine")


def test_the_process_of_a_run_leaves_its_workers_group_and_becomes_the_engine() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PREFECT__FLOW_RUN_ID"}
    with subprocess.Popen(COMMAND, env=environ, stderr=subprocess.PIPE, text=True) as process:
        # It imports for longer than it takes to look.
        while process.poll() is None and os.getpgid(process.pid) != process.pid:
            time.sleep(0.001)
        assert process.poll() is None
        said = process.communicate()[1]
    assert process.returncode == 1
    assert "Invalid flow run id" in said


def test_the_process_of_a_run_is_found_from_its_beginning_and_ends_when_it_is_asked(tmp_path: Path) -> None:
    flow_run = str(uuid.uuid4())
    environ = {**os.environ, "EXPORT_CENTER_HOME": str(tmp_path), "PREFECT__FLOW_RUN_ID": flow_run}
    path = tmp_path / keeping.AT_WORK / f"process-{flow_run}.pid"
    with subprocess.Popen(COMMAND, env=environ) as process:
        while keeping.holder(path) != process.pid:
            assert process.poll() is None
        assert keeping.end_all(path.parent, seconds=60)
    assert process.returncode == -signal.SIGTERM
    assert list(path.parent.iterdir()) == []


def test_the_process_of_a_run_goes_on_when_whoever_read_its_log_is_gone() -> None:
    program = (
        "import sys; from flows.process import Lasting; sys.stderr = Lasting(sys.stderr); input()\n"
        "from rich.console import Console\n"
        "for number in range(3): Console(file=sys.stderr).print('said', number); sys.stderr.flush()\n"
        "print('done')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        said = process.communicate(b"go\n")[0]
    assert (process.returncode, said) == (0, b"done\n")
