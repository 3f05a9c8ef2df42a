"""Processes that derive rows: whose they are, and how they end."""

from __future__ import annotations

import multiprocessing
import signal
import time

import pytest

from evidence.workers import worker_pool


class FailureError(Exception):
    """Something went wrong in the process that waits for the others."""


def _hear_nothing() -> None:
    """Ignore what asks a process to end, as it does when whoever started the program had it so."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _fail_while_a_process_works() -> None:
    with worker_pool(2) as pool:
        pool.submit(_hear_nothing).result(60)
        pool.submit(time.sleep, 600)
        pool.submit(time.sleep, 600)
        raise FailureError


def test_a_failure_is_heard_of_when_the_processes_of_its_pool_are_gone_and_no_others() -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,), daemon=True)
    other.start()
    try:
        with pytest.raises(FailureError):
            _fail_while_a_process_works()

        assert multiprocessing.active_children() == [other]
    finally:
        other.kill()
        other.join()
