"""The process of a run: apart from its worker, and Prefect's engine with the flow."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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
