"""When a call is made again, and how it is told what went wrong: over a transport that answers as its script says."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import ApiError, Client, ClientError, Retries, UnexpectedError, UnreachableError
from client.retries import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUN = {
    "runId": "run-1", "status": "pending", "profileId": "json-raw", "profileRevision": 1, "createdAt": "t",
    "createdBy": "user:ops", "new member": 1,
}  # fmt: skip


def problem(status: int, code: str = "ERR_EXPORT_UNAVAILABLE", **headers: str) -> httpx.Response:
    body = {"code": code, "message": "not now", "details": [{"retryAfterSeconds": 2}], "traceId": "a" * 32}
    return httpx.Response(status, json=body, headers=headers)


class Script:
    """A transport that gives one answer after another, and a client over it that does not really wait."""

    def __init__(self, *answers: httpx.Response | Exception, **changes: Any) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []
        self.told: list[str] = []
        patience: dict[str, Any] = {
            "sleep": self.waits.append, "chance": lambda: 1.0, "told": lambda why, _: self.told.append(why),
            "clock": lambda: sum(self.waits),
        }  # fmt: skip
        self.client = Client(
            "http://127.0.0.1:8321", transport=httpx.MockTransport(self._answer), retries=Retries(**patience, **changes)
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_change_that_is_sent_again_has_the_same_key_and_body() -> None:
    script = Script(httpx.ConnectError("refused"), httpx.ReadTimeout(""), problem(503), httpx.Response(202, json=RUN))
    assert script.client.submit("json-raw").run_id == "run-1"
    assert len({(each.headers["idempotency-key"], each.content) for each in script.asked}) == 1
    assert script.waits == [0.25, 0.5, 1.0]
    assert script.told == [
        "http://127.0.0.1:8321 cannot be reached: refused",
        "http://127.0.0.1:8321 cannot be reached: it did not answer in time",
        "not now",
    ]


def test_two_changes_have_two_keys() -> None:
    script = Script(*(httpx.Response(202, json=RUN) for _ in range(3)))
    for key in (None, None, "6a1d0e5c-5b37-4f29-9d5b-6d3f0f3f2a11"):
        script.client.submit("json-raw", idempotency_key=key)
    keys = [each.headers["idempotency-key"] for each in script.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "6a1d0e5c-5b37-4f29-9d5b-6d3f0f3f2a11"


def test_the_service_says_when_to_come_back() -> None:
    script = Script(problem(429, "ERR_EXPORT_003", **{"Retry-After": "7"}), httpx.Response(202, json=RUN))
    script.client.submit("json-raw")
    assert script.waits == [7.0]


def test_who_is_to_come_back_tomorrow_is_told_so_at_once() -> None:
    script = Script(problem(429, "ERR_EXPORT_QUOTA", **{"Retry-After": "40000"}))
    with pytest.raises(ApiError) as caught:
        script.client.submit("json-raw")
    error = caught.value
    assert (error.status, error.code, error.message, error.retry_after) == (429, "ERR_EXPORT_QUOTA", "not now", 40000)
    assert (error.details, error.trace_id, script.waits) == (({"retryAfterSeconds": 2},), "a" * 32, [])


def test_attempts_come_to_an_end() -> None:
    script = Script(*(httpx.ConnectError("refused") for _ in range(3)), attempts=3)
    with pytest.raises(UnreachableError, match=r"^http://127.0.0.1:8321 cannot be reached: refused$"):
        script.client.run("run-1")
    assert len(script.waits) == 2


PASSING: dict[str, tuple[httpx.Response, bool]] = {
    "the service is not ready": (problem(503), True),
    "a gateway has no service behind it": (httpx.Response(502, text="Bad Gateway"), True),
    "a gateway waited in vain": (httpx.Response(504, text=""), True),
    "another request with the key is under way": (problem(409, "ERR_EXPORT_CONFLICT", **{"Retry-After": "1"}), True),
    "a run that is over is canceled": (problem(409, "ERR_EXPORT_007"), False),
    "an adapter failed": (problem(502, "ERR_EXPORT_004"), False),
    "the request is wrong": (problem(400, "ERR_EXPORT_001"), False),
    "the service has a fault": (problem(500, "ERR_EXPORT_INTERNAL"), False),
}


@pytest.mark.parametrize("case", PASSING)
def test_what_may_pass_is_tried_again_and_nothing_else_when(case: str) -> None:
    answer, passes = PASSING[case]
    script = Script(answer, httpx.Response(200, json=RUN))
    if passes:
        assert script.client.run("run-1").status == "pending"
    else:
        with pytest.raises(ApiError):
            script.client.run("run-1")
    assert len(script.asked) == 1 + passes


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    script = Script(error)
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        script.client.run("run-1")
    assert script.waits == []


STRANGE: dict[str, tuple[httpx.Response, type[ClientError], str]] = {
    "a page": (httpx.Response(200, text="<html>"), UnexpectedError, "GET http://127.0.0.1:8321/api/export/runs/run-1 was answered"),
    "other JSON": (httpx.Response(200, json={"status": "up"}), UnexpectedError, "missing required field"),
    "a redirection": (httpx.Response(302, headers={"Location": "https://login.example"}), UnexpectedError, "redirection, 302"),
    "an error page": (httpx.Response(404, text="<html>no</html>", headers={"Content-Type": "text/html"}), ApiError, "^HTTP 404 Not Found$"),
    "an error in words": (httpx.Response(403, text=" no\n way "), ApiError, "^HTTP 403 Forbidden: no way$"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_no_service_is_told_as_such(case: str) -> None:
    answer, kind, text = STRANGE[case]
    with pytest.raises(kind, match=text):
        Script(answer).client.run("run-1")


def test_names_stay_one_part_of_the_path() -> None:
    script = Script(*(httpx.Response(200, json=RUN) for _ in range(2)))
    for name in ("../webhooks?x=/#", "run-1:cancel"):
        script.client.run(name)
    assert [each.url.raw_path for each in script.asked] == [
        b"/api/export/runs/..%2Fwebhooks%3Fx%3D%2F%23", b"/api/export/runs/run-1%3Acancel"
    ]  # fmt: skip


def page(*numbers: int, total: int) -> httpx.Response:
    items = [{**RUN, "runId": f"run-{number}"} for number in numbers]
    return httpx.Response(200, json={"items": items, "page": 1, "pageSize": 200}, headers={"X-Total-Count": str(total)})


def test_all_runs_are_listed_once_though_new_ones_push_them_to_later_pages() -> None:
    script = Script(page(*range(300, 100, -1), total=300), page(*range(101, 0, -1), total=301))
    assert [run.run_id for run in script.client.runs()] == [f"run-{number}" for number in range(300, 0, -1)]
    assert [each.url.params["page"] for each in script.asked] == ["1", "2"]


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1), asked=st.none() | st.floats(0, 60))
def test_pauses_have_bounds(failures: int, chance: float, asked: float | None) -> None:
    retries = Retries(chance=lambda: chance)
    pause = retries.pause(failures, asked=asked)
    if asked is not None and asked > retries.longest:
        assert pause is None
    else:
        assert pause is not None
        assert retries.first / 2 <= pause <= retries.longest
        assert pause >= (asked or 0)


TIMES: Mapping[str, Callable[[datetime], tuple[str, float | None]]] = {
    "seconds": lambda _: ("12", 12.0),
    "a date": lambda now: (format_datetime(now + timedelta(seconds=100), usegmt=True), 100.0),
    "a date that is past": lambda now: (format_datetime(now - timedelta(days=1), usegmt=True), 0.0),
    "what is neither": lambda _: ("soon", None),
    "a number below nothing": lambda _: ("-1", None),
    "nothing": lambda _: ("", None),
}


@pytest.mark.parametrize("case", TIMES)
def test_retry_after_may_be(case: str) -> None:
    text, expected = TIMES[case](datetime.now(UTC))
    assert retry_after(text) == (expected if expected is None else pytest.approx(expected, abs=5))


def test_the_tenant_is_named_when_there_is_one() -> None:
    script = Script(httpx.Response(200, json=RUN))
    script.client.run("run-1")
    assert "x-stella-tenant" not in script.asked[0].headers
    named: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        named.append(request)
        return httpx.Response(200, content=json.dumps(RUN))

    Client("http://127.0.0.1:1", tenant="acme", transport=httpx.MockTransport(answer)).run("run-1")
    assert named[0].headers["x-stella-tenant"] == "acme"
