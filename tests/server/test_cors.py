"""Pages of other origins: those that are listed may call, others get nothing that a browser would show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli.errors import UsageError
from cli.serve_options import auth_of
from flows.errors import ValidationError
from flows.settings import load_settings
from server.caller import Caller
from server.headers import HEADERS
from server.routing import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

CONSOLE = "https://console.example"


class Anybody:
    """Lets everybody in, from wherever."""

    def headers(self, _now: int) -> dict[str, str]:
        return {}

    def __call__(self, *_request: object) -> Caller:
        return Caller(subject="user:ops", client="c", tenants=("acme",), tenant="acme", scopes=frozenset(Scope))


def preflight(service: Any, path: str, origin: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}
    return service.http.options(path, headers=asked)


def test_listed_origins_may_call_and_read_every_header(start: Callable[..., Any]) -> None:
    with start(origins=frozenset({CONSOLE}), authenticate=Anybody()) as service:
        asked = preflight(service, "/runs", CONSOLE)
        assert (asked.status_code, asked.content) == (204, b"")
        assert asked.headers["access-control-allow-origin"] == CONSOLE
        assert asked.headers["access-control-allow-methods"] == "GET, HEAD, POST"
        assert {"dpop", "authorization"} <= set(asked.headers["access-control-allow-headers"].lower().split(", "))
        for path, status in (("/runs", 200), ("/nothing", 404)):
            answer = service.http.get(path, headers={"Origin": CONSOLE})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, CONSOLE)
            assert answer.headers["access-control-expose-headers"].split(", ") == list(HEADERS)
            assert answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers


def test_others_get_no_permission(start: Callable[..., Any]) -> None:
    with start(origins=frozenset({CONSOLE}), authenticate=Anybody()) as service:
        for origin in ("https://evil.example", f"{CONSOLE}.evil.example", "null", ""):
            assert preflight(service, "/runs", origin).status_code == 405
            answer = service.http.get("/runs", headers={"Origin": origin})
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert answer.headers["vary"] == "Origin"
        assert preflight(service, "/nothing", CONSOLE).status_code == 404


def test_it_is_off_unless_somebody_is_listed(running: Any) -> None:
    assert preflight(running, "/runs", CONSOLE).status_code == 405
    answer = running.http.get("/runs", headers={"Origin": running.url})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "console.example",
        f"{CONSOLE}/",
        f"{CONSOLE}/a",
        "https://Console.example",
        "https://a@b",
        "ftp://a",
    ],
)
def test_what_is_no_origin_is_refused_at_once(origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        load_settings({"cors_origins": (origin,)}, environ={})


def test_origins_need_an_issuer_for_else_their_pages_could_do_everything() -> None:
    origins = (CONSOLE, "http://127.0.0.1:3000", "http://[::1]:3000")
    settings = load_settings({"cors_origins": origins}, environ={})
    assert settings.serve.cors_origins == origins
    with pytest.raises(UsageError, match="--cors-origin without --issuer"):
        auth_of(settings, "http://127.0.0.1:8321")
