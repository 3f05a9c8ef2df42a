"""``--offline``: the whole job without a socket, and code 5 for what would need one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.exits import OFFLINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Program

WATCHED = """
import sys
import cli.main

def watch(event, arguments):
    if event.startswith("socket."):
        print("ASKED FOR A NETWORK:", event, file=sys.stderr)

sys.addaudithook(watch)
cli.main.main()
"""

JOB = (
    "ingest {sample} --offline",
    "evidence stats --offline",
    "evidence show RUSTSEC-2021-0001 --offline",
    "profile list --offline",
    "plan json-raw --offline",
    "--offline export json-raw --out {tmp}/x.tar.zst",
    "bundle verify {tmp}/x.tar.zst --key {home}/keys/default.pub --deep --offline",
    "bundle cat {tmp}/x.tar.zst --id RUSTSEC-2021-0001 --offline",
    "bundle diff {tmp}/x.tar.zst {tmp}/x.tar.zst --offline",
    "bundle extract {tmp}/x.tar.zst {tmp}/out --key {home}/keys/default.pub --offline",
    "bundle browse {tmp}/out --no-open --offline",
    "keys rotate --offline",
    "config show --offline",
    "quickstart --offline",
)


def _commands(fresh: Program, sample_evidence: Path, tmp_path: Path) -> list[list[str]]:
    names = {"sample": sample_evidence / "osv-crates.tar.zst", "tmp": tmp_path, "home": fresh.home}
    return [command.format(**names).split() for command in JOB]


def test_no_command_asks_for_a_socket(fresh: Program, sample_evidence: Path, tmp_path: Path) -> None:
    for command in _commands(fresh, sample_evidence, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *command], env=fresh.environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert b"ASKED FOR A NETWORK" not in done.stderr, command


@pytest.mark.optional
def test_the_whole_job_is_done_where_there_is_no_network(
    fresh: Program, sample_evidence: Path, tmp_path: Path, counterpart: Callable[[str], str]
) -> None:
    """In a network namespace of its own, in which not even 127.0.0.1 answers."""
    alone = [counterpart("unshare"), "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not make a network namespace")
    for command in [*_commands(fresh, sample_evidence, tmp_path), ["doctor"]]:
        done = subprocess.run(
            [*alone, *fresh.command, *command], env=fresh.environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("uri", ["awskms:alias/x", "gcpkms:projects/x", "azurekms:x", "hv:transit/x"])
def test_a_key_that_a_service_holds_ends_with_5(uri: str, program: Program, tmp_path: Path) -> None:
    command = ("export", "json-raw", "--out", tmp_path / "x.tar.zst", "--offline")
    said = program.error(*command, code=OFFLINE, EXPORT_CENTER_KEY=uri)
    assert said == (
        f"error: the {uri.partition(':')[0]} signing key is reached over a network, and --offline forbids that\n"
        "Run it without --offline, or name a place on this machine.\n"
    )
    assert list(tmp_path.iterdir()) == []


def _in_an_offline_process(code: str) -> str:
    lines = (
        "import socket, sys", "from cli.errors import OfflineError", "from cli.offline import *", "go_offline()",
        "try:", f"    {code}", "except OfflineError as error:", "    print(error)",
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, check=True, text=True)
    return done.stdout


ASKING = {
    "an address is looked up": "socket.getaddrinfo('localhost', 80)",
    "a socket is made": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a connection is made": "socket.create_connection(('127.0.0.1', 9))",
    "a name is looked up the old way": "socket.gethostbyname('localhost')",
}


@pytest.mark.parametrize("case", ASKING)
def test_offline_is_refused_when(case: str) -> None:
    assert "--offline forbids that" in _in_an_offline_process(ASKING[case])


def test_what_stays_on_this_machine_is_allowed() -> None:
    pairs = "socket.socketpair(); check_key('file:x')"
    assert _in_an_offline_process(pairs) == ""


def test_without_the_flag_the_network_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket, cli.main; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
