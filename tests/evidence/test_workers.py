"""Processes that derive rows: whose they are, and how they end."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from evidence.workers import worker_pool


class FailureError(Exception):
    """Something went wrong in the process that waits for the others."""


def _fail_while_a_process_works() -> None:
    with worker_pool(2) as pool:
        pool.submit(time.sleep, 0).result(60)
        pool.submit(time.sleep, 600)
        raise FailureError


def test_a_failure_ends_the_processes_of_its_pool_and_no_others() -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,), daemon=True)
    other.start()
    try:
        with pytest.raises(FailureError):
            _fail_while_a_process_works()

        for process in multiprocessing.active_children():
            process.join(0.5 if process.pid == other.pid else 60)
        assert multiprocessing.active_children() == [other]
    finally:
        other.kill()
        other.join()
