"""Evidence in a real PostgreSQL makes the same bundles as the same evidence in the store, or none at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from bundle.records import iterate_lines, members_of
from bundle.source import open_bundle
from evidence.schema import KIND_OF_TABLE
from flows.errors import AdapterError, SourceFailedError
from flows.pipeline import run
from flows.preview import preview
from flows.request import prepare, prepare_plan
from flows.sources import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.request import ExportRequest
    from flows.sources.declared import Sources
    from tests.flows.conftest import RealStore
    from tests.flows.sources.conftest import Document
    from tests.postgres_server import Postgres

    Ask = Callable[..., ExportRequest]
    Declare = Callable[..., Sources]

pytestmark = pytest.mark.counterpart
COLUMNS = "tenant text, source text, locator text, raw bytea"
OSV = b'{"id": "OSV-%d", "modified": "2024-01-01T00:00:00Z", "summary": "%s", "affected": []}'


def exported(request: ExportRequest) -> dict[str, Any]:
    plan, parts = prepare(request)
    return run(plan, parts).summary()


def osv(count: int) -> list[Document]:
    return [("default", "feed", f"{number}.json", OSV % (number, b"a text")) for number in range(count)]


def left(request: ExportRequest) -> list[str]:
    """Return what lies where a bundle was to be."""
    return sorted(path.name for path in Path(request.out).parent.iterdir())


def generate(postgres: Postgres, name: str, *, rows: int, repeated: int) -> None:
    """Make a table of documents inside the server; each has so many times 32 bytes of text."""
    postgres.psql(
        f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} AS SELECT 'default'::text AS tenant, 'feed'::text AS source, "
        """'l' || n AS locator, convert_to('{"id": "L-' || n || '", "modified": "2024-01-01T00:00:00Z", """
        f""""affected": [], "details": "' || repeat(md5(n::text), {repeated}) || '"}}', 'UTF8') AS raw """
        f"FROM generate_series(1, {rows}) AS n; ANALYZE {name}"
    )


@pytest.fixture(scope="module")
def loaded(postgres: Postgres, documents: dict[str, list[Document]]) -> Postgres:
    """The server with all documents of the store, of all tenants, one table a record type."""
    for table in KIND_OF_TABLE:
        postgres.table(table, COLUMNS, documents[table])
    return postgres


@pytest.mark.parametrize("tenant", ["default", "acme"])
def test_the_same_documents_make_the_same_bundle(
    tenant: str, loaded: Postgres, real_store: RealStore, ask: Ask, declare: Declare
) -> None:
    sources = declare(loaded, **{table: f"team.public.{table}" for table in KIND_OF_TABLE})
    stored = exported(ask("store.tar.zst", tenant=tenant, store=real_store.store.root))
    read = exported(ask("source.tar.zst", tenant=tenant, sources=sources))
    assert stored["records"] > 100
    assert (read["records"], read["sha256"]) == (stored["records"], stored["sha256"])


def test_selectors_take_from_a_source_what_they_take_from_the_store(
    loaded: Postgres, real_store: RealStore, ask: Ask, declare: Declare
) -> None:
    sources = declare(loaded, **{table: f"team.public.{table}" for table in KIND_OF_TABLE})
    asked = [
        {"sources": ["osv-crates", "spdx-examples"], "timeWindow": {"from": "2022-01-01T00:00:00Z"}},
        {
            "tenants": ["acme"],
            "shared": False,
            "ecosystems": ["npm", "crates.io", "PyPI"],
            "missingModified": "exclude",
        },
    ]
    for selectors in asked:
        stored = preview(prepare_plan(ask(selectors=selectors, store=real_store.store.root)))
        read = preview(prepare_plan(ask(selectors=selectors, sources=sources)))
        assert read["selection"] == stored["selection"]
        assert read["records"]


def test_record_types_without_a_source_come_from_the_store(
    loaded: Postgres, real_store: RealStore, ask: Ask, declare: Declare
) -> None:
    sources = declare(loaded, vex="team.public.vex")
    stored = exported(ask("store.tar.zst", store=real_store.store.root))
    mixed = exported(ask("mixed.tar.zst", store=real_store.store.root, sources=sources))
    assert mixed["sha256"] == stored["sha256"]
    assert list(preview(prepare_plan(ask(sources=sources)))["copies"]) == ["vex"]


def test_nothing_of_the_source_but_its_evidence_reaches_a_bundle(loaded: Postgres, ask: Ask, declare: Declare) -> None:
    request = ask(sources=declare(loaded, advisories="SELECT * FROM team.public.advisories WHERE 'marker' <> ''"))
    path = exported(request)["bundle"]
    with zstandard.open(path, "rb") as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        read = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    words = [
        b"127.0.0.1",
        b"team.",
        b"marker",
        str(loaded.port).encode(),
        b"exporter",
        b"keeping",
        request.out.encode(),
    ]
    texts = b"".join(data for name, data in read.items() if not name.startswith(("data/", "indexes/", "viewer/")))
    assert b"contentDigest" in texts
    assert not [word for word in words if word in texts]


def test_a_plan_names_what_was_read_and_not_where_its_copy_lies(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    postgres.table("changing", COLUMNS, osv(3))
    request = ask(sources=declare(postgres, advisories="team.public.changing"))
    first, second = prepare_plan(request), prepare_plan(request)
    assert first.tables[0].files != second.tables[0].files
    assert first.digest == second.digest
    postgres.psql("UPDATE changing SET locator = 'other.json' WHERE locator = '0.json'")
    assert prepare_plan(request).digest != first.digest


def test_all_relations_are_read_as_of_one_moment(
    postgres: Postgres, ask: Ask, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer commits to both tables when the first has been read."""
    postgres.table("first", COLUMNS, osv(2))
    postgres.table("second", COLUMNS, [("default", "feed", "v", b'{"@context": "https://openvex.dev/ns/v0.2.0"}')])
    genuine = reading.copy

    def interrupted(*arguments: Any) -> Any:
        made = genuine(*arguments)
        postgres.psql("DELETE FROM first; DELETE FROM second")
        return made

    monkeypatch.setattr(reading, "copy", interrupted)
    sources = declare(postgres, advisories="team.public.first", vex="team.public.second")
    plan = prepare_plan(ask(sources=sources))
    assert {table.name: len(table.files) for table in plan.tables} == {"advisories": 1, "vex": 1, "sboms": 0}
    monkeypatch.undo()
    assert [len(table.files) for table in prepare_plan(ask(sources=sources)).tables] == [0, 0, 0]


def test_a_relation_is_read_as_of_one_moment_by_all_its_connections(
    postgres: Postgres, ask: Ask, declare: Declare
) -> None:
    """A writer removes everything when a part of a table has come that is large enough to be read in parallel."""
    generate(postgres, "vanishing", rows=30_000, repeated=16)
    assert int(postgres.psql("SELECT relpages FROM pg_class WHERE relname = 'vanishing'")) > 2_000
    seen = []

    def progress(_table: str, records: int, _size: int) -> None:
        if not seen:
            postgres.psql("DELETE FROM vanishing; INSERT INTO vanishing SELECT 'default', 'feed'")
        seen.append(records)

    request = ask(sources=declare(postgres, advisories="team.public.vanishing"))
    assert preview(prepare_plan(request, progress=progress))["records"] == 30_000
    assert postgres.psql("SELECT count(*) FROM vanishing") == "1"


def test_order_is_by_bytes_whatever_the_database_sorts_by(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    names = ["a", "B", "_", "é", "z", "Z", "\U0001f600", "ﬀ"]
    rows = [("default", "feed", name, OSV % (0, b"x")) for name in names]
    postgres.table("words", COLUMNS, rows)
    by_server = postgres.psql("SELECT string_agg(locator, '' ORDER BY locator) FROM words")
    request = ask(sources=declare(postgres, advisories="team.public.words"))
    made = run(*prepare(request))
    by_bytes = sorted(names, key=str.encode)
    assert by_server != "".join(by_bytes)
    assert locators(made.written.path) == by_bytes


def locators(bundle: Path) -> list[str]:
    reader = open_bundle(bundle)
    member = members_of(reader)["data/advisories.jsonl.zst"]
    return [json.loads(line)["locator"] for line in iterate_lines(reader, member)]


def test_other_tenants_rows_are_not_even_sent(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    """A row of somebody else that cannot be read at all does no harm."""
    postgres.table("shared_table", COLUMNS, osv(2))
    postgres.psql("INSERT INTO shared_table VALUES ('other', 'feed', 'x', NULL)")
    postgres.psql(
        "CREATE OR REPLACE FUNCTION burst(raw bytea, tenant text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS "
        "$$BEGIN IF tenant = 'other' THEN RAISE 'sent'; END IF; RETURN raw; END$$; "
        "CREATE VIEW guarded AS SELECT tenant, source, locator, burst(raw, tenant) AS raw FROM shared_table"
    )
    sources = declare(postgres, advisories="team.public.guarded")
    assert exported(ask(sources=sources))["records"] == 2
    with pytest.raises(AdapterError, match="sent"):
        prepare_plan(ask(sources=sources, tenant="other"))


UNREACHABLE: dict[str, tuple[dict[str, object], str]] = {
    "nobody listens": ({"port": 1}, "Connection refused"),
    "no such database": ({"dbname": "nonesuch"}, 'database "nonesuch" does not exist'),
    "an unknown user": ({"user": "who"}, 'password authentication failed for user "who"'),
    "a service nobody defined": ({"service": "nonesuch"}, "nonesuch"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_an_unreachable_source_is_named_with_the_reason(
    case: str, postgres: Postgres, ask: Ask, declare: Declare
) -> None:
    database, reason = UNREACHABLE[case]
    request = ask(sources=declare(postgres, database=database, advisories="team.public.advisories"))
    with pytest.raises(SourceFailedError, match=r"^source database team cannot be reached: ") as caught:
        prepare_plan(request)
    assert reason in caught.value.message
    assert "host=" not in caught.value.message
    assert left(request) == []


def test_a_wrong_password_is_not_told(
    postgres: Postgres, ask: Ask, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "my-wrong-password")
    database: dict[str, object] = {"passfile": str(tmp_path / "none")}
    with pytest.raises(AdapterError, match="password authentication failed") as caught:
        prepare_plan(ask(sources=declare(postgres, database=database, advisories="team.public.advisories")))
    error: BaseException | None = caught.value
    while error is not None:
        assert "my-wrong-password" not in f"{error!r} {error}"
        error = error.__cause__


def test_a_password_is_taken_from_the_environment(
    postgres: Postgres, ask: Ask, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.table("three", COLUMNS, osv(3))
    database: dict[str, object] = {"passfile": str(tmp_path / "none")}
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    sources = declare(postgres, database=database, advisories="team.public.three")
    assert preview(prepare_plan(ask(sources=sources)))["records"] == 3


def test_a_source_that_breaks_off_leaves_no_bundle(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    """The server's process is ended when a part of the rows has come."""
    generate(postgres, "many", rows=60_000, repeated=32)
    request = ask(sources=declare(postgres, advisories="team.public.many"))
    seen = []

    def progress(_table: str, records: int, _size: int) -> None:
        if not seen:
            postgres.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'export-center'"
            )
        seen.append(records)

    with pytest.raises(SourceFailedError, match=r"^source advisories cannot be read: ") as caught:
        prepare(request, progress=progress)
    assert any(word in caught.value.message for word in ("terminat", "closed", "broke off")), caught.value.message
    assert 0 < seen[0] < 60_000
    assert left(request) == []


def test_large_documents_are_read_in_slices_that_fit(
    postgres: Postgres, ask: Ask, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(postgres, "large", rows=700, repeated=6000)
    request = ask(sources=declare(postgres, advisories="team.public.large"), memory_limit="100MB", workers=1)
    assert preview(prepare_plan(request))["records"] == 700
    monkeypatch.setattr(reading, "SLICES", (0,))
    with pytest.raises(AdapterError, match="Out of Memory") as caught:
        prepare_plan(request)
    assert "memory_limit" in caught.value.advice


def test_texts_that_are_not_utf_8_are_refused(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    postgres.psql("CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    postgres.psql(
        f"CREATE TABLE odd ({COLUMNS}); INSERT INTO odd VALUES ('default', 'feed', E'\\xff', '{{}}')", database="bytes"
    )
    request = ask(sources=declare(postgres, database={"dbname": "bytes"}, advisories="team.public.odd"))
    with pytest.raises(AdapterError, match=r"(?i)^source .*(utf|unicode)"):
        prepare_plan(request)


HOSTILE = [
    "'; DROP TABLE hostile; --", '"quoted"', "back\\slash", "tab\tand\nline", "a" * 3000, "\U0001f600", "é", "e\u0301",
]  # fmt: skip


def test_hostile_names_and_values_are_only_texts(postgres: Postgres, ask: Ask, declare: Declare) -> None:
    rows = [("default", "feed", name, OSV % (number, b"x"), name) for number, name in enumerate(HOSTILE)]
    postgres.table("hostile", f'{COLUMNS}, "; DROP TABLE ""x"" --" text', rows)
    request = ask(sources=declare(postgres, advisories='SELECT *, 1 AS "raw; --" FROM team.public.hostile -- a remark'))
    made = run(*prepare(request))
    assert locators(made.written.path) == HOSTILE
    with pytest.raises(AdapterError, match="source advisories is neither one SELECT nor what can stand behind FROM"):
        prepare_plan(ask(sources=declare(postgres, advisories="DELETE FROM team.public.hostile RETURNING *")))
    assert postgres.psql("SELECT count(*) FROM hostile") == str(len(HOSTILE))


def test_the_command_line_ends_with_1_and_masks_nothing_it_needs_to_say(postgres: Postgres, tmp_path: Path) -> None:
    """In a process of its own, with a settings file, as a user has it."""
    postgres.table("cli_rows", COLUMNS, osv(4))
    address = "".join(f'{name} = "{value}"\n' for name, value in postgres.declared().items() if name != "port")
    (tmp_path / "export-center.toml").write_text(
        f'[sources]\nadvisories = "team.public.cli_rows"\n[sources.databases.team]\n{address}port = {postgres.port}\n'
        f'passfile = "passfile"\n'
    )
    (tmp_path / "passfile").touch(0o600)
    (tmp_path / "passfile").write_text(postgres.passfile.read_text())
    environ = {**os.environ, "EXPORT_CENTER_HOME": str(tmp_path / "home")}

    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["export-center", *arguments]
        code = "import sys; from cli.main import main; sys.argv = sys.argv[1:]; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    assert '"records": 4' in program("plan", "json-raw").stdout
    forbidden = program("--offline", "plan", "json-raw")
    assert (forbidden.returncode, forbidden.stdout) == (5, "")
    assert "the source of advisories is reached over a network" in forbidden.stderr
    assert '"records": 4' in program("export", "json-raw", "--out", "b.tar.zst").stdout
    shown = program("config", "show", "--format", "json").stdout
    assert "sources.databases.team" in shown
    assert "keeping" not in shown
    postgres.psql("ALTER TABLE cli_rows DROP COLUMN tenant")
    failed = program("export", "json-raw", "--out", "c.tar.zst")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "source advisories: column tenant is missing" in failed.stderr
    checks = {check["check"]: check for check in json.loads(program("doctor").stdout)}
    assert [name for name, check in checks.items() if check["status"] == "failed"] == ["sources"]
    assert "column tenant is missing" in checks["sources"]["finding"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.zst", "export-center.toml", "home", "passfile"]
