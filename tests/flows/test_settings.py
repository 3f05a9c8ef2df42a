"""Settings: which place wins, and what is said about bad values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows.errors import ValidationError
from flows.serve_settings import SERVE_SETTINGS
from flows.settings import load_settings, mask

if TYPE_CHECKING:
    from pathlib import Path

HOME = {"EXPORT_CENTER_HOME": "/srv/export-center"}


def test_flags_win_over_variables_these_over_the_file_and_that_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "export-center.toml"
    file.write_text('tenant = "file"\nworkers = 3\n')
    environ = {**HOME, "EXPORT_CENTER_TENANT": "variable", "EXPORT_CENTER_WORKERS": "4", "EXPORT_CENTER_KEY": ""}
    settings = load_settings({"tenant": "flag"}, environ=environ, toml_path=file, cpus=9)
    assert (settings.tenant, settings.workers, settings.memory_limit, settings.key) == (
        "flag",
        4,
        "512MB",
        None,
    )
    assert settings.origins == {
        "home": "EXPORT_CENTER_HOME",
        "tenant": "flag",
        "key": "default",
        "workers": "EXPORT_CENTER_WORKERS",
        "memory_limit": "default",
        "profiles": "default",
        "server": "default",
        "token_file": "default",
        "dpop_key": "default",
        "sources": "default",
        **dict.fromkeys(SERVE_SETTINGS, "default"),
    }


def test_without_a_word_from_anyone_there_are_defaults() -> None:
    settings = load_settings({}, environ={}, cpus=6)
    assert settings.home.name == "export-center"
    assert (settings.tenant, settings.workers) == ("default", 6)
    assert settings.key_uri == f"file:{settings.home}/keys/default.key"


def test_profiles_are_in_the_home_unless_somebody_says_otherwise() -> None:
    assert str(load_settings({}, environ=HOME).profiles_path) == "/srv/export-center/profiles"
    environ = {**HOME, "EXPORT_CENTER_PROFILES": "/srv/git/profiles"}
    assert str(load_settings({}, environ=environ).profiles_path) == "/srv/git/profiles"


def test_a_relative_home_in_the_file_starts_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "export-center.toml"
    file.write_text('home = "state"\n')
    assert load_settings({}, environ={}, toml_path=file).home == tmp_path / "state"


REFUSED = {
    "a word for a number": (
        {"EXPORT_CENTER_WORKERS": "many"},
        "EXPORT_CENTER_WORKERS: expected a whole number from 1 to 1024, got 'many'",
    ),
    "no workers": (
        {"EXPORT_CENTER_WORKERS": "0"},
        "EXPORT_CENTER_WORKERS: expected a whole number from 1 to 1024, got '0'",
    ),
    "memory without a unit": (
        {"EXPORT_CENTER_MEMORY_LIMIT": "512"},
        "EXPORT_CENTER_MEMORY_LIMIT: expected an amount of memory, such as 512MB or 4GB, got '512'",
    ),
    "a URL for a home": (
        {"EXPORT_CENTER_HOME": "s3://bucket/home"},
        "EXPORT_CENTER_HOME: expected the path of a folder, got 's3://bucket/home'",
    ),
    "a service without a scheme": (
        {"EXPORT_CENTER_SERVER": "export.example"},
        "EXPORT_CENTER_SERVER: expected the address of a service, such as https://export.example, got 'export.example'",
    ),
    "a service with a user": (
        {"EXPORT_CENTER_SERVER": "https://ops:word@export.example"},
        "EXPORT_CENTER_SERVER: expected the address of a service, such as https://export.example, got 'https://***@export.example'",
    ),
    "a path for a key URI": (
        {"EXPORT_CENTER_KEY": "/k"},
        "EXPORT_CENTER_KEY: expected the URI of a signing key, such as file:/path/to/default.key, got '/k'",
    ),
    "a tenant that is a path": (
        {"EXPORT_CENTER_TENANT": "../x"},
        "EXPORT_CENTER_TENANT: expected a tenant: letters, digits, '.', '_' and '-', got '../x'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_variable_is_named_with_what_is_expected(case: str) -> None:
    environ, message = REFUSED[case]
    with pytest.raises(ValidationError) as caught:
        load_settings({}, environ={**HOME, **environ})
    assert caught.value.message == message


FILES = {
    "a bad value": ("workers = true\n", "workers: expected a whole number from 1 to 1024, got True"),
    "an unknown setting": ("worker = 2\n", "worker: unknown setting; did you mean 'workers'?"),
    "no TOML": ("= 2\n", "is not TOML: Invalid statement (at line 1, column 1)"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_named_with_what_is_expected(case: str, tmp_path: Path) -> None:
    text, message = FILES[case]
    file = tmp_path / "export-center.toml"
    file.write_text(text)
    with pytest.raises(ValidationError) as caught:
        load_settings({}, environ=HOME, toml_path=file)
    assert caught.value.message.startswith(str(file))
    assert caught.value.message.endswith(message)


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(ValidationError, match="flags: tenants: unknown setting; did you mean 'tenant'"):
        load_settings({"tenants": "x"}, environ=HOME)


SECRETS = {
    "a PIN": ("pkcs11:token=a;object=k?pin-value=1234&x=y", "pkcs11:token=a;object=k?pin-value=***&x=y"),
    "a password": ("hv://user:word@host/k", "hv://***@host/k"),
    "nothing secret": ("file:/keys/default.key", "file:/keys/default.key"),
}


@pytest.mark.parametrize("case", SECRETS)
def test_secrets_are_masked(case: str) -> None:
    uri, expected = SECRETS[case]
    assert mask(uri) == expected
    described = load_settings({"key": uri}, environ=HOME).describe()
    assert {"name": "key", "value": expected, "origin": "flag"} in described
