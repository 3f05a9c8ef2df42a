"""The key that seals secrets is exchanged while the service runs, with the commands that operators have."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cli.main import app
from ledger.keyfile import read_keys
from ledger.resealing import everything
from ledger.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Receiver, Running

SECRET = "a secret of the receiver's own choice"


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs a command on the keys of the running service's home."""
    monkeypatch.setenv("EXPORT_CENTER_HOME", str(tmp_path))

    def run(command: str, *, fails: bool = False) -> Any:
        done = CliRunner().invoke(app, ["vault", command])
        assert (done.exit_code != 0) == fails, done.output
        return json.loads(done.stdout) if command == "show" else str(done.exception or done.output)

    return run


def register(running: Running, receiver: Receiver, *, key: str) -> Any:
    asked = {"targetUrl": receiver.url, "secret": SECRET}
    answer = running.http.post("/webhooks", json=asked, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_every_secret_survives_the_exchange_and_the_old_key_opens_nothing_afterwards(
    running: Running, receiver: Receiver, vault: Callable[..., Any], tmp_path: Path
) -> None:
    key = str(uuid.uuid4())
    hook = register(running, receiver, key=key)
    (old,) = read_keys(tmp_path / "webhooks.key")
    # The secret, and the answer that is kept for whoever asks again.
    assert [each["opens"] for each in vault("show")["keys"]] == [2]
    vault("rotate")
    assert [(each["seals"], each["opens"]) for each in vault("show")["keys"]] == [(True, 2), (False, 0)]
    assert register(running, receiver, key=key)["webhookId"] == hook["webhookId"]
    vault("forget")
    assert old not in read_keys(tmp_path / "webhooks.key")
    assert [each["opens"] for each in vault("show")["keys"]] == [2]
    with running.service.ledger.reading() as connection:
        sealed = everything(connection)
    assert [Vault(old).opener(each.sealed, *each.bound) for each in sealed] == [None, None]
    assert register(running, receiver, key=key)["webhookId"] == hook["webhookId"]
    running.ended(running.submit())
    (told,) = receiver.wait(1)
    signature = hmac.digest(SECRET.encode(), told.body, hashlib.sha256).hex()
    assert told.headers["x-stella-signature"] == f"sha256={signature}"


def test_old_keys_are_kept_until_they_are_forgotten_and_what_no_key_opens_keeps_none(
    running: Running, receiver: Receiver, vault: Callable[..., Any], tmp_path: Path
) -> None:
    register(running, receiver, key=str(uuid.uuid4()))
    vault("rotate")
    vault("rotate")
    assert [each["opens"] for each in vault("show")["keys"]] == [2, 0, 0]
    spoilt = Vault(bytes(32)).seal(b"of another vault", "acme", "wh")
    with running.service.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET secret = ?", (spoilt,))
    assert vault("show")["unreadable"] == 1
    vault("forget")
    assert len(read_keys(tmp_path / "webhooks.key")) == 1


def test_without_a_file_there_is_nothing_to_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vault: Callable[..., Any]
) -> None:
    monkeypatch.setenv("EXPORT_CENTER_HOME", str(tmp_path / "empty"))
    assert "there is no" in vault("rotate", fails=True)
