"""Fetching a bundle: gone on with where it was interrupted, and given its name only when its digest is right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from client import parts
from client.calls import Call, is_final, is_passing, path_of
from client.errors import ApiError, ClientError, DamagedError, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from client.calls import Calls
    from client.parts import Part

    Progress = Callable[[int, int], None]
    """Told how many bytes are there, and how many there will be."""

PARTIAL, UNSATISFIABLE = 206, 416
RESTARTS = 3
"""How often a download begins anew when the service has another bundle than before, or what is there is not of it."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")
_FILENAME = re.compile(r'filename="([^"]*)"')
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


@dataclass(frozen=True)
class Facts:
    """What the service states of a bundle."""

    sha256: str
    size: int
    name: str
    tag: str
    encryption: str | None


@dataclass(frozen=True)
class Downloaded:
    """A bundle that was fetched.

    Attributes:
        path: Where it is.
        sha256: Its digest, in hexadecimal, which is what the service stated.
        size: Its bytes.
        fetched: How many of them this call fetched; the others were there.
        encryption: "age" when it is encrypted.
    """

    path: Path
    sha256: str
    size: int
    fetched: int
    encryption: str | None


class _OtherBundleError(Exception):
    """What is there cannot be gone on with."""


class Download:
    """Fetches one run's bundle."""

    def __init__(self, calls: Calls, run_id: str, *, progress: Progress) -> None:
        """Take what makes requests, and who wants to know how far it is."""
        self._calls = calls
        self._run_id = run_id
        self._path = path_of("runs", run_id, "/download")
        self._progress = progress
        self._fetched = 0

    def facts(self) -> Facts:
        """Return what the service states of the bundle.

        Raises:
            ApiError: There is none.
            UnexpectedError: It states no digest.
        """
        try:
            answer = self._calls.answer(Call("HEAD", self._path))
        except ApiError as error:
            if error.code:
                raise
            # An answer to HEAD has no body, which would say what is wrong.
            answer = self._calls.answer(Call("GET", self._path, headers={"Range": "bytes=0-0"}))
        return facts_of(answer, self._run_id)

    def into(self, place: Path) -> Downloaded:
        """Fetch the bundle into a file, or into a folder that is there under the name that the service gives it.

        Raises:
            ApiError, UnreachableError, UnexpectedError: As every call.
            DamagedError: What arrived is not what the service states; nothing of it is left.
            BusyError: Another process is at it.
            OSError: The file cannot be written.
        """
        for _ in range(RESTARTS):
            facts = self.facts()
            target = place / facts.name if place.is_dir() else place
            if parts.digest_of(target) != facts.sha256:
                try:
                    self._fetch(facts, target)
                except _OtherBundleError:
                    continue
            parts.remove_others(target)
            return Downloaded(target, facts.sha256, facts.size, self._fetched, facts.encryption)
        raise DamagedError(
            f"the bundle of {self._run_id} arrived {RESTARTS} times with other bytes than the service states",
            advice="Something between here and the service alters it, or its disk does.",
        )

    def _fetch(self, facts: Facts, target: Path) -> None:
        with parts.opened(target, facts.sha256) as part:
            if part.size > facts.size:
                part.clear()
            self._progress(part.size, facts.size)
            self._fill(part, facts)
            if part.sha256 != facts.sha256:
                part.drop()
                raise _OtherBundleError
            part.finish(target)

    def _fill(self, part: Part, facts: Facts) -> None:
        """Receive what is missing, over as many connections as it takes while there is progress."""
        clock = self._calls.retries.clock
        failures, alive_at = 0, clock()
        while part.size < facts.size:
            before = part.size
            try:
                self._receive(part, facts)
                if part.size <= before:
                    raise UnexpectedError(f"the bundle of {self._run_id} does not go on after {before:,} bytes")
            except (httpx.TransportError, ApiError) as error:
                if part.size > before:
                    failures, alive_at = 0, clock()
                failures += 1
                self._wait(failures, error, silent=clock() - alive_at)

    def _receive(self, part: Part, facts: Facts) -> None:
        """Receive what is missing, or as much of it as one connection brings."""
        ranged = {"Range": f"bytes={part.size}-", "If-Range": facts.tag} if part.size else {}
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **ranged}
        with self._calls.opened(Call("GET", self._path, headers=headers)) as response:
            _check_same(response, facts)
            if response.status_code == PARTIAL:
                _check_range(response, part.size, facts.size)
            else:
                part.clear()
            for data in response.iter_raw():
                if part.size + len(data) > facts.size:
                    part.clear()
                    raise UnexpectedError(f"the bundle of {self._run_id} is longer than the service states")
                part.add(data)
                self._fetched += len(data)
                self._progress(part.size, facts.size)

    def _wait(self, failures: int, error: httpx.TransportError | ApiError, *, silent: float) -> None:
        """Wait before the next connection.

        Raises:
            ApiError, UnreachableError: There is to be none.
        """
        retries = self._calls.retries
        told: ClientError
        if isinstance(error, ApiError):
            told, final, asked = error, not is_passing(error), error.retry_after
        else:
            told, final, asked = self._calls.unreachable(error), is_final(error), None
        pause = None if final or silent > retries.silence else retries.pause(failures, asked=asked)
        if pause is None:
            raise told
        retries.wait(pause, told.message)


def facts_of(response: httpx.Response, run_id: str) -> Facts:
    """Return what an answer states of a bundle.

    Raises:
        UnexpectedError: It states no digest or size.
    """
    digest = _DIGEST.fullmatch(response.headers.get("X-Export-Digest", ""))
    size = response.headers.get("X-Export-Size", "")
    if digest is None or not (size.isascii() and size.isdecimal()):
        raise UnexpectedError(f"the bundle of {run_id} comes without its digest or size, and so cannot be checked")
    named = _FILENAME.search(response.headers.get("Content-Disposition", ""))
    # A name from elsewhere is taken only when it is one, and leads nowhere.
    name = named[1] if named and _NAME.fullmatch(named[1]) else f"export-{digest[1][:12]}.bundle"
    encryption = response.headers.get("X-Export-Encryption")
    return Facts(digest[1], int(size), name, response.headers.get("ETag", ""), encryption)


def _check_same(response: httpx.Response, facts: Facts) -> None:
    if response.headers.get("X-Export-Digest") != f"sha256:{facts.sha256}":
        raise _OtherBundleError
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UnexpectedError("the bundle comes in an encoding that was not asked for")


def _check_range(response: httpx.Response, start: int, size: int) -> None:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or (int(found[1]), int(found[3])) != (start, size):
        raise UnexpectedError(f"bytes from {start:,} of {size:,} were asked for, and others came")
