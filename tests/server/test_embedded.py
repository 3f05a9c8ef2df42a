"""``export-center serve`` while its parts die and are started again: no run and no event is lost, and nobody helps."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.server.served import RUN_SECONDS, Listener, Served, ended_once
from tests.server.watching import chromium, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
SEED = "EXPORT_CENTER_SEED"


@pytest.fixture(scope="module")
def served(evidence_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests, because Prefect takes its time to start."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(evidence_home, home)
    made = Served(home)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def usual(served: Served) -> float:
    """How long a run takes here, in seconds."""
    served.ready()
    served.wait(served.submit())
    began = time.monotonic()
    assert served.wait(served.submit()) == "success", served.log()
    return time.monotonic() - began


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1 << 32))
    LOG.warning("%s=%s repeats these moments", SEED, seed)
    return random.Random(seed)


def _kill_and_start(served: Served) -> None:
    served.kill()
    served.start()


def _end_and_start(served: Served) -> None:
    assert served.stop() == 0, served.log()
    assert served.commands("prefect") == []
    served.start()


DISTURBANCES: dict[str, Callable[[Served], object]] = {
    "the Prefect server is killed": lambda served: served.kill_children("server start"),
    "the worker is killed": lambda served: served.kill_children("worker start"),
    "the service is killed and started again": _kill_and_start,
    "the service is ended and started again": _end_and_start,
}


@pytest.mark.parametrize("what", DISTURBANCES)
def test_no_run_and_no_event_is_lost_when(served: Served, usual: float, chance: random.Random, what: str) -> None:
    listeners = []
    for _ in range(2):
        listeners.append(Listener(served.url, served.submit()))
        time.sleep(chance.uniform(0, usual / 2))
    moment = chance.uniform(0, usual)
    LOG.warning("%s after %.2f s", what, moment)
    time.sleep(moment)
    DISTURBANCES[what](served)
    for listener in listeners:
        assert served.wait(listener.run_id) == "success", served.log()
        _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.usefixtures("usual")
def test_a_run_at_work_begins_anew_when_the_service_is_ended_and_started_again(served: Served) -> None:
    run_id, process = served.at_work()
    listener = Listener(served.url, run_id)
    threading.Timer(2, os.kill, (process, signal.SIGCONT)).start()
    _end_and_start(served)
    assert served.run(run_id)["status"] in ("running", "pending"), "nobody can have done it meanwhile"
    assert served.wait(run_id) == "success", served.log()
    _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.usefixtures("usual")
def test_a_run_at_work_goes_on_while_everything_around_it_is_killed(served: Served) -> None:
    run_id, process = served.at_work()
    listener = Listener(served.url, run_id)
    served.kill()
    assert served.kill_children("worker start")
    assert served.kill_children("server start")
    os.kill(process, signal.SIGCONT)
    served.start()
    assert served.wait(run_id) == "success", served.log()
    assert served.phases(run_id).count("plan") == 1, "it was not done again"
    _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.usefixtures("usual")
def test_a_run_at_work_fails_by_itself_when_its_process_is_killed(served: Served) -> None:
    run_id, process = served.at_work()
    listener = Listener(served.url, run_id)
    os.kill(process, signal.SIGKILL)
    assert served.wait(run_id) == "failed"
    assert served.run(run_id)["errorCode"] == "crashed"
    _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.usefixtures("usual")
def test_after_a_power_cut_runs_at_work_have_failed_and_all_others_are_done(served: Served) -> None:
    run_id, _process = served.at_work()
    listeners = [Listener(served.url, run_id), Listener(served.url, served.submit())]
    served.kill()
    served.kill_children("prefect")
    served.start()
    assert [served.wait(each.run_id) for each in listeners] == ["failed", "success"], served.log()
    assert served.run(run_id)["errorCode"] == "crashed"
    for listener in listeners:
        _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.usefixtures("usual")
def test_a_canceled_run_ends_and_leaves_nothing(served: Served) -> None:
    run_id, process = served.at_work()
    listener = Listener(served.url, run_id)
    served.http.post(f"/api/export/runs/{run_id}:cancel", json={"reason": "INC-1"})
    os.kill(process, signal.SIGCONT)
    assert served.wait(run_id) == "canceled"
    _all_was_heard(served, listener)
    _nothing_else_is_left(served)


@pytest.mark.counterpart
def test_a_reader_follows_a_run_to_its_bundle_and_ends_another_on_its_page(
    served: Served, counterpart: Callable[[str], str]
) -> None:
    pytest.importorskip("playwright.sync_api")
    headers = {"X-Stella-Tenant": "acme"}
    with chromium(counterpart("chromium")) as browser, watched(browser, extra_http_headers=headers) as tab:
        tab.context.set_default_timeout(RUN_SECONDS * 1000)
        page = tab.page()
        page.goto(f"{served.url}/runs/{served.submit()}/")
        page.get_by_role("link", name="Open the bundle").click()
        page.get_by_role("heading", name="json-raw", exact=True).wait_for()
        run_id, process = served.at_work()
        page.goto(f"{served.url}/runs/{run_id}/")
        page.get_by_role("button", name="Cancel this run").click()
        page.fill("#run-reason", "seen enough")
        page.get_by_role("button", name="Cancel the run").click()
        page.get_by_role("dialog").wait_for(state="hidden")
        os.kill(process, signal.SIGCONT)
        page.get_by_text("who said: seen enough").wait_for()
        assert served.wait(run_id) == "canceled"
        assert tab.said == []
        assert tab.asked_others(served.url) == []


@pytest.mark.usefixtures("usual")
def test_a_second_service_takes_over_when_ctrl_c_ends_the_first(served: Served) -> None:
    # The last one here: it ends the service that the others share.
    second = Served(served.home)
    try:
        second.start()
        run_id = second.submit()
        assert served.stop(signal.SIGINT) == 0, served.log()
        assert second.wait(run_id) == "success", second.log()
        _nothing_else_is_left(second)
        assert second.stop() == 0, second.log()
        assert second.commands("prefect") == []
    finally:
        second.close()


def _all_was_heard(served: Served, listener: Listener) -> None:
    """A client that came back whenever it was cut off heard every event once, in order, and one end."""
    listener.join(60)
    assert not listener.is_alive()
    assert listener.heard == served.events(listener.run_id)
    assert ended_once(listener.heard), listener.heard


def _nothing_else_is_left(served: Served) -> None:
    """There are the bundles that the API tells of, whole, and one Prefect."""
    assert served.bundles() == served.promised()
    for program in ("server start", "worker start"):
        served.until(lambda: len(served.children(program)) == 1, 60)  # noqa: B023 - it is called here
    served.until(lambda: not served.children("prefect.engine"), 60)
