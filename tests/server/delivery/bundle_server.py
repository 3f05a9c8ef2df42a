"""A server of one bundle, to be run as a program, and killed: bundle_server.py PORT FILE."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from server.files import BundleResponse, Facts

if TYPE_CHECKING:
    from starlette.requests import Request

PORT, FILE = int(sys.argv[1]), Path(sys.argv[2])
FACTS = Facts(
    sha256=hashlib.sha256(FILE.read_bytes()).hexdigest(),
    size=FILE.stat().st_size,
    media_type="application/zstd",
    filename="export-run-1.tar.zst",
)


async def download(_request: Request) -> BundleResponse:
    return BundleResponse(FILE, FACTS)


APP = Starlette(routes=[Route("/api/export/runs/{run}/download", download)])
uvicorn.run(APP, host="127.0.0.1", port=PORT, log_level="critical", ws="none", lifespan="off")
