"""A process that is made to end leaves its run to another: whole, or as if it had never been at work."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flows import keeping
from flows.pipeline import Exported, plainly
from flows.recorded import CanceledRunError, Telling, perform
from ledger import database, runs, states
from server.embedded import Embedded
from server.running import clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class EndedError(BaseException):
    """What a signal becomes in a process at work."""


@pytest.mark.parametrize("stage", ["plan", "adapt", "describe", "sign", "pack"])
def test_a_process_that_is_made_to_end_gives_its_run_back_and_leaves_nothing(running: Any, stage: str) -> None:
    def ending(name: str, work: Callable[..., Any], *arguments: object) -> Any:
        made = plainly(name, work, *arguments)
        if name == stage:
            raise EndedError
        return made

    running.prefect.is_down = True
    run_id = running.submit()
    with pytest.raises(EndedError):
        perform(running.service.ledger, run_id, running.prefect.here, step=ending)
    with running.service.ledger.reading() as connection:
        assert states.is_released(runs.find(connection, run_id, tenant="acme"))
    assert not (running.service.bundles / "acme" / run_id).exists()
    assert running.run(run_id)["status"] == "running"
    assert running.events(run_id)[-1]["event"] in ("run.progress", "run.signed")


def test_a_process_that_is_made_to_end_after_its_last_word_leaves_the_bundle(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_exported: Exported) -> None:
        raise EndedError

    running.prefect.is_down = True
    run_id = running.submit()
    monkeypatch.setattr(Exported, "summary", end)
    with pytest.raises(EndedError):
        perform(running.service.ledger, run_id, running.prefect.here)
    assert running.run(run_id)["status"] == "success"
    assert running.http.get(f"/runs/{run_id}/download").status_code == 200


def test_a_process_that_is_made_to_end_after_a_cancel_tells_who_canceled(running: Any) -> None:
    def ending(*_stage: object) -> Any:
        with running.service.ledger.writing() as connection:
            states.request_cancel(connection, run_id, tenant="acme", by="user:ann", reason=None, now=1)
        raise EndedError

    running.prefect.is_down = True
    run_id = running.submit()
    with pytest.raises(EndedError):
        perform(running.service.ledger, run_id, running.prefect.here, flow_run_id="a-flow-run", step=ending)
    run = running.run(run_id)
    assert (run["status"], run["canceledBy"]) == ("canceled", "user:ann")


def test_a_process_finds_out_that_its_run_was_canceled_though_nobody_makes_it_end(running: Any) -> None:
    def canceled(name: str, work: Callable[..., Any], *arguments: object) -> Any:
        if name == "adapt":
            with running.service.ledger.writing() as connection:
                states.request_cancel(connection, run_id, tenant="acme", by="user:ann", reason="INC-1", now=1)
        return plainly(name, work, *arguments)

    running.prefect.is_down = True
    run_id = running.submit()
    with pytest.raises(CanceledRunError):
        perform(running.service.ledger, run_id, running.prefect.here, flow_run_id="a-flow-run", step=canceled)
    assert running.run(run_id)["status"] == "canceled"
    assert not (running.service.bundles / "acme" / run_id).exists()


def test_what_keeps_something_is_known_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    assert (keeping.holder(path), keeping.is_abandoned(path)) == (None, False)
    lock = keeping.take(path)
    assert lock is not None
    keeping.write(lock, 4711)
    assert keeping.take(path) is None
    assert (keeping.holder(path), keeping.is_abandoned(path)) == (4711, False)
    keeping.release(lock)
    assert (keeping.holder(path), keeping.is_abandoned(path)) == (None, True), "its number means nothing any more"


def test_a_process_that_holds_its_file_is_alive_and_what_is_over_leaves_no_file(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path, {}, port=1, ready=lambda: False)
    row = {"run_id": "run-1", "flow_run_id": "flow-1"}
    for name in ("run-1", "process-flow-1"):
        path = tmp_path / keeping.AT_WORK / f"{name}.pid"
        with keeping.at_work(path):
            assert embedded.is_alive(row) is (name == "run-1")
            if name != "run-1":
                embedded.forget(row)
                assert path.exists(), "it is at work"
        assert not embedded.is_alive(row)
        path.write_text("1")
        embedded.forget(row)
        assert not path.exists()


def test_a_process_at_work_is_found_and_one_that_died_is_known(tmp_path: Path) -> None:
    path = tmp_path / "at-work" / "run-1.pid"
    program = f"from flows import keeping; from pathlib import Path\nwith keeping.at_work(Path({str(path)!r})): input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        while keeping.holder(path) != process.pid:
            assert process.poll() is None
            assert not keeping.is_abandoned(path)
        assert not keeping.end_all(path.parent, seconds=-1), "it is asked, and not waited for"
        assert keeping.end_all(path.parent, seconds=60)
    assert keeping.is_abandoned(path), "it died of being asked"
    starting = path.with_name(f"{keeping.PROCESS}1.pid")
    path.rename(starting)
    assert keeping.end_all(path.parent, seconds=60)
    assert not starting.exists()
    with keeping.at_work(path):
        assert keeping.holder(path) == os.getpid()
    assert not path.exists()


def test_a_run_goes_on_while_the_ledger_is_at_work_for_others_and_tells_the_next_time(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.prefect.is_down = True
    run_id = running.submit()
    monkeypatch.setattr(database, "BUSY_MS", 500)
    impatient = database.open_ledger(str(running.service.ledger.engine.url))
    telling = Telling(impatient, run_id, clock)
    with running.service.ledger.writing():
        telling.phase("plan", "")
    telling.phase("adapter", "json")
    impatient.close()
    assert [each["data"]["phase"] for each in running.events(run_id) if each["event"] == "run.progress"] == ["adapter"]
