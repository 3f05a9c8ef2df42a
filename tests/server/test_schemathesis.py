"""The running service does what its OpenAPI description says, whatever it is sent: thousands of made-up requests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).with_name("schemathesis.toml")
FEWEST = 1000
MADE_UP = "10"
"""Requests that are made up of each operation, beside those at the edges of its schema, which are twice as many."""

LEFT_OUT = {
    "ignored_auth": "the service under test asks for no token",
    "positive_data_acceptance": "tenants, times and addresses have rules that a schema cannot state",
}


def test_a_thousand_requests_find_nothing(running: Any, tmp_path: Path, untraced: dict[str, str]) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG),
        *("run", f"{running.url}/api/export/openapi.json"),
        *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
        *("--max-examples", MADE_UP, "--seed", "7", "--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=untraced)
    assert done.returncode == 0, done.stdout + done.stderr
    made = re.search(r"(\d+) generated", done.stdout)
    assert made
    assert int(made[1]) >= FEWEST
