"""Downloading a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import FileResponse, Response

from server.bundles import MEDIA_TYPES, held

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.context import Call
    from server.service import Service


async def download(service: Service, call: Call, request: Request) -> Response:
    """Stream the bundle."""
    call.only()
    return await respond(service, call, request)


async def respond(service: Service, call: Call, request: Request) -> Response:  # noqa: ARG001 - as all that stream
    """Return the answer that streams the bundle of a run."""
    target, path = await anyio.to_thread.run_sync(held, service, call)
    headers = {
        "ETag": f'"sha256-{target["sha256"]}"',
        "X-Export-Digest": f"sha256:{target['sha256']}",
        "X-Export-Size": str(target["size_bytes"]),
    }
    if target["encryption"]:
        headers["X-Export-Encryption"] = target["encryption"]
    name = f"export-{target['run_id']}.{target['layout']}"
    response = FileResponse(path, media_type=MEDIA_TYPES[target["layout"]], filename=name, headers=headers)
    response.chunk_size = 1 << 20
    return response
