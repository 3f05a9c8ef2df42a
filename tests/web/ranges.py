"""A web server for tests, with the manners and the bad manners that servers have, which counts what it sends."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "Bearer let-me-in"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}


@dataclass
class Site:
    """What is served, and what was sent of it.

    Attributes:
        folder: The files below ``/``; ``/MANNER/…`` serves the same files in another manner.
        sent: Bytes of bodies, by the path that was asked for.
    """

    folder: Path
    url: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def count(self, path: str, size: int) -> None:
        """Take down an answer."""
        self.sent[path] = self.sent.get(path, 0) + size
        self.asked[path] = self.asked.get(path, 0) + 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *args: object) -> None:
        self._site = site
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a file, or a range of it."""
        path = urlsplit(self.path).path.lstrip("/")
        manner, _, name = path.partition("/")
        file = self._site.folder / (name if manner.startswith("~") else path)
        file = file / "index.html" if file.is_dir() else file
        if manner == "~token" and self.headers["Authorization"] != TOKEN:
            self._answer(401, b"")
        elif not file.is_file():
            self._answer(404, b"")
        else:
            self._file(file, manner)

    def _file(self, file: Path, manner: str) -> None:
        size, kind = file.stat().st_size, TYPES.get(file.suffix, "application/octet-stream")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if asked is None or manner == "~whole":
            self._answer(200, file.read_bytes(), {"Content-Type": kind})
            return
        first, last = int(asked[1]), min(int(asked[2]), size - 1)
        with file.open("rb") as opened:
            opened.seek(first)
            data = opened.read(last - first + 1)
        said = {"Content-Type": kind, "Content-Range": f"bytes {first}-{last}/{size}", "ETag": '"one"'}
        self._in_manner(manner, data, said, later=first > 0)

    def _in_manner(self, manner: str, data: bytes, said: dict[str, str], *, later: bool) -> None:
        """Answer rightly at first, and later as the manner asks for."""
        if manner == "~changed" and later:
            said["ETag"] = '"two"'
        if manner == "~elsewhere" and later:
            said["Content-Range"] = re.sub(
                r"bytes (\d+)", lambda found: f"bytes {int(found[1]) + 1}", said["Content-Range"]
            )
        if manner == "~coded" and later:
            said["Content-Encoding"] = "identity, x-other"
        if manner == "~more" and later:
            data += b"more"
        if manner == "~less" and later:
            data = data[:-1]
        self._answer(206, data, said)

    def _answer(self, status: int, data: bytes, said: dict[str, str] | None = None) -> None:
        self._site.count(self.path, len(data))
        self.send_response(status)
        for name, value in {**(said or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port of this machine."""
    site = Site(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
