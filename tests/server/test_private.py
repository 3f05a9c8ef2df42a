"""What a served home lets other users of its machine see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.served import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9/api"
"""A Prefect that is not there: all is made that the service makes itself."""

PROFILE = {"profileId": "mine", "name": "Mine", "kind": "json", "variant": "raw", "include": ["advisories"]}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path, "--prefect", NOWHERE, environ={"EXPORT_CENTER_HOME": str(tmp_path / "home")})
    yield made
    made.close()


def test_nobody_else_sees_what_is_in_a_new_home(served: Served) -> None:
    served.start()
    assert served.http.post("/api/export/profiles", json=PROFILE).status_code == 201
    home = served.home / "home"
    assert {"ledger.db", "profiles", "keys"} <= {path.name for path in home.iterdir()}
    open_to_others = [path for path in (home, *home.rglob("*")) if path.lstat().st_mode & 0o077]
    # Git's objects are read-only to everybody, and public keys are public; their folders are not open.
    assert [
        path for path in open_to_others if path.is_dir() or (path.suffix != ".pub" and ".git" not in path.parts)
    ] == []
    assert "warning" not in served.log()


def test_a_home_that_others_see_is_told_of_and_left_as_it_is(served: Served) -> None:
    home = served.home / "home"
    home.mkdir(mode=0o755)
    served.start()
    assert home.stat().st_mode & 0o777 == 0o755
    assert f"warning: other users of this machine may look into {home}" in served.log()
    assert (home / "ledger.db").stat().st_mode & 0o777 == 0o600
