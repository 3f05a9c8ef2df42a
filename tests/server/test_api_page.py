"""docs/api.md: complete by the tables of the code, and its examples run as they stand, one after the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.recorded import ERROR_CODES
from ledger.events import TYPES
from server.codes import CODES
from server.endpoints import ENDPOINTS
from server.headers import HEADERS
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]


def test_the_page_has_every_endpoint_with_its_scope_and_section() -> None:
    listed = [row for row in ROWS if re.match(r"`(GET|POST|PATCH|DELETE) /", row[0])]
    assert sorted(listed) == sorted(
        [
            f"`{each.method} {each.path.removeprefix(BASE)}`",
            f"`{each.scope}`" if each.scope else "none",
            each.section or "beyond the contract",
        ]
        for each in ENDPOINTS
    )


def test_the_page_has_every_code_with_its_statuses() -> None:
    listed = {row[0].strip("`"): row[1] for row in ROWS if row[0].startswith("`ERR_EXPORT_")}
    assert listed == {name: ", ".join(map(str, each.statuses)) for name, each in CODES.items()}


@pytest.mark.parametrize("name", [*HEADERS, *TYPES, *dict(ERROR_CODES).values()])
def test_the_page_has_every_header_event_and_word_for_a_failure(name: str) -> None:
    assert f"`{name}" in PAGE


def test_the_examples_of_the_page_run(running: Any, counterpart: Callable[[str], str], tmp_path: Path) -> None:
    counterpart("curl")
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE)
    script = "\n".join(["set -eu", 'curl() { command curl "$@"; echo; }', *blocks])
    environ = {**os.environ, "API": f"{running.url}/api/export"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    refused = [each["code"] for each in answers if "code" in each]
    # The run that is canceled may be over by then.
    assert refused in (["ERR_EXPORT_002"], ["ERR_EXPORT_002", "ERR_EXPORT_007"])
    (bundle,) = tmp_path.glob("export-run-*.tar.zst")
    assert bundle.read_bytes() == (tmp_path / "resumed").read_bytes()
    assert {"export.json", "export.json.sig", "provenance.json"} <= {each.name for each in tmp_path.iterdir()}
