"""The section [sources] of the settings: what it may hold, and what of it is ever shown."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flows.errors import ValidationError
from flows.settings import load_settings
from flows.sources.declared import Sources, masked, parse_sources

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
[sources]
advisories = "SELECT * FROM team.evidence.advisories"
vex = "read_parquet('vex/*.parquet')"
extensions = ["httpfs"]

[sources.databases.team]
host = "db.example.com"
port = 5433
user = "it's \\\\ me"
passfile = "secrets/passfile"
sslrootcert = "/etc/ca.pem"
"""


def test_a_section_names_relations_and_databases_and_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "export-center.toml"
    file.write_text(FILE)
    settings = load_settings({}, environ={"EXPORT_CENTER_HOME": "/srv"}, toml_path=file)
    sources = settings.sources
    assert list(sources.relations) == ["advisories", "vex"]
    assert sources.databases["team"].parameters == (
        "application_name='export-center' connect_timeout='10' keepalives_idle='30' keepalives_interval='10' "
        r"keepalives_count='3' host='db.example.com' port='5433' user='it\'s \\ me' "
        f"passfile='{tmp_path}/secrets/passfile' sslrootcert='/etc/ca.pem'"
    )
    assert settings.origins["sources"] == str(file)
    shown = {item["name"]: item["value"] for item in settings.describe()}
    assert shown["sources"] == "advisories, vex"
    assert shown["sources.vex"] == "read_parquet('vex/*.parquet')"
    assert shown["sources.databases.team"].startswith("host=db.example.com port=5433 user=it's")
    assert shown["sources.extensions"] == "httpfs"


def test_what_a_database_declares_goes_before_our_own_parameters() -> None:
    sources = parse_sources({"databases": {"team": {"connect_timeout": 3}}}, where="x")
    assert "connect_timeout='3'" in sources.databases["team"].parameters
    assert "'10'" not in sources.databases["team"].parameters.replace("keepalives_interval='10'", "")


def test_a_service_for_s3_is_described_without_its_keys() -> None:
    given = {"endpoint": "s3.it's.example:9000", "region": "eu", "url_style": "path", "use_ssl": False}
    sources = parse_sources({"s3": given}, where="x")
    assert sources.s3 is not None
    assert sources.s3.secret == (
        "CREATE SECRET s3 (TYPE s3, PROVIDER credential_chain, CHAIN 'env;config', endpoint 's3.it''s.example:9000', "
        "region 'eu', url_style 'path', use_ssl 'false')"
    )
    assert list(sources.describe()) == [
        ("sources.s3", "endpoint=s3.it's.example:9000 region=eu url_style=path use_ssl=False")
    ]


def test_sources_travel_in_a_request_as_json_values() -> None:
    sources = parse_sources({"vex": "v", "databases": {"team": {"host": "h"}}, "extensions": ["httpfs"]}, where="x")
    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(sources))), Sources) == sources


def test_without_a_section_nothing_comes_from_elsewhere() -> None:
    settings = load_settings({}, environ={"EXPORT_CENTER_HOME": "/srv"})
    assert settings.sources == Sources()
    assert {"name": "sources", "value": "none", "origin": "default"} in settings.describe()


POSTGRES_SCAN = "SELECT * FROM postgres_scan('host=db', 'public', 'docs')"


def test_settings_are_read_without_the_engines_that_read_sources() -> None:
    program = "import sys, flows.settings; print({'duckdb', 'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


REMOTE: dict[str, tuple[dict[str, object], bool]] = {
    "a database by its name": ({"vex": "SELECT * FROM Team.public.docs"}, True),
    "files of a service": ({"vex": "read_parquet('s3://bucket/*.parquet')"}, True),
    "files of this machine": ({"vex": "read_parquet('teams/*.parquet')"}, False),
    "a function of an extension": ({"vex": POSTGRES_SCAN, "extensions": ["postgres_scanner"]}, True),
    "a service behind a name in pieces": ({"vex": "read_parquet('s' || '3:' || '//b/x')", "s3": {}}, True),
    "nothing that is declared": ({"extensions": ["postgres_scanner"]}, False),
}


@pytest.mark.parametrize("case", REMOTE)
def test_whether_a_relation_may_need_a_network_shows_in_what_is_declared(case: str) -> None:
    given, expected = REMOTE[case]
    assert parse_sources({**given, "databases": {"team": {}}}, where="x").is_remote("vex") is expected


REFUSED: dict[str, tuple[Any, str]] = {
    "a password": (
        {"databases": {"team": {"password": "hunter2"}}},
        "databases.team.password: secrets are not kept in settings",
    ),
    "a secret of a certificate": (
        {"databases": {"t": {"sslpassword": "hunter2"}}},
        "databases.t.sslpassword: secrets are not",
    ),
    "an unknown record type": ({"advisory": "hunter2"}, "sources.advisory: unknown field; did you mean 'advisories'?"),
    "an empty relation": ({"vex": "  "}, "sources.vex: expected a relation, got an empty text"),
    "a relation that is none": ({"vex": ["hunter2"]}, "sources.vex: expected a string, got an array"),
    "a key of a service": ({"s3": {"secret": "hunter2"}}, "sources.s3.secret: secrets are not kept in settings"),
    "a style nobody knows": ({"s3": {"url_style": "x"}}, "sources.s3.url_style: expected one of path, vhost, got 'x'"),
    "a port in words": ({"databases": {"t": {"port": "hunter2"}}}, "databases.t.port: expected a whole number"),
    "a name for a database that SQL would split": ({"databases": {'a"b': {}}}, "expected another name"),
    "a name that DuckDB has itself": ({"databases": {"temp": {}}}, "sources.databases.temp: expected another name"),
    "an extension that is a path": (
        {"extensions": ["../hunter2"]},
        "sources.extensions[0]: expected the name of an ext",
    ),
    "no section at all": ("hunter2", "expected an object, got a string"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_section_is_refused_by_field_and_its_values_are_not_repeated(case: str) -> None:
    value, message = REFUSED[case]
    with pytest.raises(ValidationError) as caught:
        parse_sources(value, where="file.toml")
    assert message in caught.value.message
    assert caught.value.message.startswith("file.toml: sources")
    assert "hunter2" not in caught.value.message


def test_sources_are_declared_in_the_file_only() -> None:
    environ = {"EXPORT_CENTER_HOME": "/srv", "EXPORT_CENTER_SOURCES": "postgresql://u:hunter2@h/d"}
    with pytest.raises(
        ValidationError, match=r"EXPORT_CENTER_SOURCES: sources are declared in export-center\.toml"
    ) as caught:
        load_settings({}, environ=environ)
    assert "hunter2" not in caught.value.message


MASKED = {
    "a connection string": ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
    "a quoted one": (r"password = 'hun\'ter2 x' port=1", "password = *** port=1"),
    "an address": (
        "FROM postgres_scan('postgresql://u:hunter2@h/db', 's', 't')",
        "FROM postgres_scan('postgresql://***@h/db', 's', 't')",
    ),
    "a parameter of a function": ("f(secret := 'hunter2', x)", "f(secret := ***, x)"),
    "a key of a store": ("s3_secret_access_key='hunter2'", "s3_secret_access_key=***"),
    "nothing secret": ("SELECT token FROM passwords", "SELECT token FROM passwords"),
}


@pytest.mark.parametrize("case", MASKED)
def test_secrets_that_stand_in_a_relation_are_never_shown(case: str) -> None:
    text, expected = MASKED[case]
    assert masked(text) == expected
    assert ("sources.vex", expected) in list(Sources(vex=text).describe())
