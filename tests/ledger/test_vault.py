"""Secrets at rest open with their key, at their place, unaltered; and in no other way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VaultError
from ledger.keyfile import change_keys, new_key, read_keys
from ledger.vault import Vault, open_vault

if TYPE_CHECKING:
    from pathlib import Path

VAULT = Vault(bytes(32))


@given(secret=st.binary(max_size=64), at=st.integers(0), bit=st.integers(0, 7))
def test_a_sealed_secret_opens_unless_one_bit_differs(secret: bytes, at: int, bit: int) -> None:
    sealed = VAULT.seal(secret, "acme", "wh-1")
    assert VAULT.open(sealed, "acme", "wh-1") == secret
    altered = bytearray(sealed)
    altered[at % len(sealed)] ^= 1 << bit
    with pytest.raises(VaultError):
        VAULT.open(bytes(altered), "acme", "wh-1")


@pytest.mark.parametrize("bound", [("acme", "wh-2"), ("globex", "wh-1"), ("acmewh-1",), ("acme", "wh-1", ""), ()])
def test_a_secret_does_not_open_at_another_place(bound: tuple[str, ...]) -> None:
    with pytest.raises(VaultError):
        VAULT.open(VAULT.seal(b"secret", "acme", "wh-1"), *bound)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(20)])
def test_what_is_too_short_does_not_open(sealed: bytes) -> None:
    with pytest.raises(VaultError):
        VAULT.open(sealed)


def test_the_first_who_asks_makes_the_key_for_its_owner_only_and_all_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "home" / "webhooks.key"
    begin, opened = threading.Barrier(8), []

    def ask() -> None:
        begin.wait()
        opened.append(open_vault(path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = opened[0].seal(b"secret", "acme")
    assert [vault.open(sealed, "acme") for vault in opened] == [b"secret"] * 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["webhooks.key"]


@pytest.mark.parametrize("text", ["", "00", "no hexadecimal digits", "ff" * 33])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "webhooks.key"
    path.write_text(text)
    with pytest.raises(VaultError, match=r"webhooks\.key"):
        open_vault(path)


def test_a_new_key_seals_and_old_ones_still_open_without_anything_being_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.key"
    vault = open_vault(path)
    old = vault.seal(b"old", "acme")
    change_keys(path, lambda keys: [new_key(), *keys])
    assert vault.open(old, "acme") == b"old"
    assert vault.opener(old, "acme") == 1
    new = vault.seal(b"new", "acme")
    assert vault.opener(new, "acme") == 0
    change_keys(path, lambda keys: keys[:1])
    assert vault.open(new, "acme") == b"new"
    with pytest.raises(VaultError):
        vault.open(old, "acme")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_away_or_spoilt_does_not_close_an_open_vault(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.key"
    vault = open_vault(path)
    sealed, text = vault.seal(b"secret"), path.read_text()
    for spoilt in ("", "no hexadecimal digits", None):
        path.unlink(missing_ok=True) if spoilt is None else path.write_text(spoilt)
        assert vault.open(sealed) == b"secret"
        assert vault.opener(vault.seal(b"meanwhile")) == 0
    path.write_text(f"{bytes(32).hex()}\n{text}")
    assert vault.opener(sealed) == 1


def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    path, added = tmp_path / "webhooks.key", [new_key() for _ in range(8)]
    first = read_keys(path)
    threads = [threading.Thread(target=change_keys, args=(path, lambda keys, key=key: [key, *keys])) for key in added]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_keys(path)) == {*added, *first}
