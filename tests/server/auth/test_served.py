"""The program as it is served, with tokens of a real authorization server, called by real clients over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cli.exits import USAGE
from cli.main import outcome
from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

AUDIENCE = "urn:export-center"
NOBODY = "http://127.0.0.1:9/api"
"""A Prefect that is not there: submissions are taken all the same."""


class Served:
    """A program that serves, the issuer it believes, and a client."""

    def __init__(self, url: str, issuer: str, client: Any) -> None:
        self.url, self.client = url, client
        self._issuer = issuer

    def login(self, who: str, scope: str) -> Any:
        return self.client.ask("login", issuer=self._issuer, id=who, scope=scope, audience=AUDIENCE)

    def call(self, path: str, *, method: str = "GET", how: str = "call", body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else {"body": json.dumps(body)}
        named |= {"content-type": "application/json"} if sent else {}
        return self.client.ask(how, method=method, url=f"{self.url}/api/export{path}", headers=named, **sent)

    def metric(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"export_center_{name}"))


@pytest.fixture
def served(node: Any, start: Any, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return what serves with options, variables and a settings file, and says where."""
    processes: list[subprocess.Popen[bytes]] = []

    def serve(*options: str, environ: Mapping[str, str] | None = None, toml: str = "", nonces: bool = False) -> Served:
        issuer = start(node("issuer.mjs", AUDIENCE, "nonces" if nonces else "no-nonces")).line()["issuer"]
        port = free_port()
        (tmp_path / "export-center.toml").write_text(toml)
        said = ("--port", str(port), "--prefect", NOBODY, "--issuer", issuer, "--audience", AUDIENCE, *options)
        with (tmp_path / "serve.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cli", "serve", *said],
                    env={**os.environ, "EXPORT_CENTER_HOME": str(tmp_path / "home"), **(environ or {})},
                    cwd=tmp_path,
                    stdout=log,
                    stderr=log,
                )
            )
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while not answers(url):
            assert time.monotonic() < until, (tmp_path / "serve.log").read_text()
            time.sleep(0.05)
        return Served(url, issuer, start(node("client.mjs")))

    yield serve
    for each in processes:
        each.terminate()
        each.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.counterpart
def test_a_run_is_submitted_followed_and_canceled_with_a_fresh_proof_for_each_request(
    served: Callable[..., Served],
) -> None:
    at = served()
    at.login("one", "export:run export:read")
    key = str(uuid.uuid4())
    asked = {"method": "POST", "body": {"profileId": "json-raw"}, "idempotency_key": key}
    first, again = at.call("/runs", **asked), at.call("/runs", **asked)
    assert (first["status"], again["status"]) == (202, 202), first
    run = json.loads(first["body"])
    assert json.loads(again["body"]) == run
    assert run["createdBy"] == "user:one"
    assert json.loads(at.call(f"/runs/{run['runId']}", how="bearer")["body"])["status"] == "pending"
    assert at.call(f"/runs/{run['runId']}:cancel", method="POST")["status"] == 202
    told = at.call(f"/runs/{run['runId']}/events")["body"]
    assert [line for line in told.splitlines() if line.startswith("event:")] == [
        "event: run.accepted",
        "event: run.canceled",
    ]
    assert json.loads(told.split("data: ")[2].splitlines()[0])["canceledBy"] == "user:one"
    listed = at.call("/runs?status=canceled", x_stella_tenant="acme")
    assert [each["runId"] for each in json.loads(listed["body"])["items"]] == [run["runId"]]
    assert listed["headers"]["x-stella-quota-remaining"] == "999"


@pytest.mark.counterpart
def test_what_a_token_does_not_allow_is_refused_and_counted(served: Callable[..., Served]) -> None:
    at = served()
    at.login("several", "export:read")
    page = httpx.get(at.url)
    assert (page.status_code, page.headers["www-authenticate"][:4]) == (401, "DPoP")
    assert "<h1>Nobody is signed in</h1>" in page.text
    refused = {
        "no scope": at.call("/runs", method="POST", body={"profileId": "json-raw"}, x_stella_tenant="acme"),
        "a foreign tenant": at.call("/runs", x_stella_tenant="gamma"),
        "no tenant": at.call("/runs"),
        "no proof": at.client.ask("bearer", method="GET", url=f"{at.url}/api/export/runs", headers={}, proven=False),
    }
    told = {name: (each["status"], json.loads(each["body"])["code"]) for name, each in refused.items()}
    assert told == {
        "no scope": (403, "ERR_EXPORT_FORBIDDEN"),
        "a foreign tenant": (403, "ERR_EXPORT_FORBIDDEN"),
        "no tenant": (400, "ERR_EXPORT_001"),
        "no proof": (401, "ERR_EXPORT_UNAUTHORIZED"),
    }
    proof = at.call("/runs", how="bearer", x_stella_tenant="beta")["proof"]
    token = at.login("several", "export:read")["token"]
    stolen = {"Authorization": f"DPoP {token}", "DPoP": proof, "X-Stella-Tenant": "beta"}
    assert httpx.get(f"{at.url}/api/export/runs", headers=stolen).status_code == 401
    assert httpx.get(f"{at.url}/api/export/runs").status_code == 401
    taken = at.call("/runs", how="bearer", x_stella_tenant="beta")
    assert taken["status"] == 200
    repeated = {"Authorization": f"DPoP {token}", "DPoP": taken["proof"], "X-Stella-Tenant": "beta"}
    assert httpx.get(f"{at.url}/api/export/runs", headers=repeated).status_code == 401
    for reason in ("insufficient_scope", "tenant_forbidden", "tenant_unclear", "replayed_proof"):
        assert at.metric(f'auth_refusals_total{{reason="{reason}"}}') == 1, reason
    assert at.metric('auth_refusals_total{reason="no_credentials"}') == 2
    assert at.metric('auth_refusals_total{reason="invalid_token"}') == 1
    assert at.metric("auth_refusals_total") == 8
    assert at.metric('jwks_refreshes_total{outcome="success"}') == 1


@pytest.mark.counterpart
def test_nonces_bearer_and_the_claim_of_tenants_are_as_options_variables_and_file_say(
    served: Callable[..., Served], tmp_path: Path
) -> None:
    environ = {"EXPORT_CENTER_NONCES": "yes"}
    at = served(
        "--no-bearer", "--viewer-client", "people", environ=environ, toml='tenant_claim = "example:org"\n', nonces=True
    )
    at.login("one", "export:run export:read")
    taken = at.call("/runs", method="POST", body={"profileId": "json-raw"}, x_stella_tenant="gamma")
    assert taken["status"] == 202, taken
    assert taken["headers"]["dpop-nonce"]
    assert at.call("/runs", x_stella_tenant="acme")["status"] == 403
    assert json.loads(at.call("/runs")["body"])["items"][0]["createdBy"] == "user:one"
    # The second of them has the nonce that the first was told.
    assert [at.call("/runs", how="bearer")["status"] for _ in range(2)] == [401, 401]
    assert at.metric('auth_refusals_total{reason="use_dpop_nonce"}') == 1
    assert (tmp_path / "home" / "nonces.key").stat().st_mode & 0o777 == 0o600
    log = (tmp_path / "serve.log").read_text()
    assert "DPoP only, with nonces, tenants in example:org" in log
    assert f"viewer at {at.url}/, sign-in as client people, back to {at.url}/signed-in.html" in log
    assert '"client":"people"' in httpx.get(at.url).text


def test_what_is_said_of_tokens_is_shown_with_where_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPORT_CENTER_NONCES", "on")
    monkeypatch.setenv("EXPORT_CENTER_METRICS_NETWORKS", "10.1.0.0/16, ::1")
    assert outcome(["config", "show", "--format", "json"]) == 0
    shown = {each["name"]: (each["value"], each["origin"]) for each in json.loads(capfd.readouterr().out)}
    assert shown["nonces"] == ("true", "EXPORT_CENTER_NONCES")
    assert shown["metrics_networks"] == ("10.1.0.0/16, ::1/128", "EXPORT_CENTER_METRICS_NETWORKS")
    assert shown["bearer"] == ("true", "default")
    assert shown["issuer"] == ("none", "default")


REFUSED = {
    "audience without issuer": (("--audience", "x"), {}, "--audience without --issuer"),
    "nonces without issuer": ((), {"EXPORT_CENTER_NONCES": "1"}, "--nonces without --issuer"),
    "a client for people without issuer": (
        (), {"EXPORT_CENTER_VIEWER_CLIENT": "viewer"}, "--viewer-client without --issuer",
    ),
    "what to ask for, and nobody who asks": (
        ("--issuer", "https://a.example", "--audience", "x", "--viewer-scopes", "openid"), {},
        "--viewer-scopes without --viewer-client",
    ),
    "people who come back over plain http": (
        ("--issuer", "https://a.example", "--audience", "x", "--public-url", "http://a.example", "--viewer-client", "v"),
        {}, "nobody could sign in so: public_url: must be https",
    ),
    "issuer without audience": (("--issuer", "https://a.example"), {}, "--issuer without --audience"),
    "keys over plain http": (
        ("--issuer", "https://a.example", "--audience", "x", "--jwks", "http://a.example/jwks"), {}, "must be https",
    ),
    "half an address": (("--metrics-listen", "9321"), {}, "expected HOST:PORT"),
    "a network that is none": (("--metrics-network", "10.1.0.1/16"), {}, "expected networks"),
    "neither yes nor no": ((), {"EXPORT_CENTER_BEARER": "maybe"}, "EXPORT_CENTER_BEARER: expected true or false"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "environ", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_before_anything_is_served(
    options: tuple[str, ...],
    environ: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"EXPORT_CENTER_HOME": str(tmp_path / "home"), **environ}.items():
        monkeypatch.setenv(name, value)
    assert outcome(["serve", *options]) == USAGE
    assert message in capfd.readouterr().err
