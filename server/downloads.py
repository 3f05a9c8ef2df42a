"""Downloading a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from server.bundles import MEDIA_TYPES, held
from server.files import BundleResponse, Facts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from server.context import Call
    from server.service import Service


async def download(service: Service, call: Call, request: Request) -> Response:
    """Stream the bundle."""
    call.only()
    return await respond(service, call, request)


async def respond(service: Service, call: Call, request: Request) -> Response:  # noqa: ARG001 - as all that stream
    """Return the answer that streams the bundle of a run."""
    target, path = await anyio.to_thread.run_sync(held, service, call)
    return BundleResponse(
        path,
        Facts(
            sha256=target["sha256"],
            size=target["size_bytes"],
            media_type=MEDIA_TYPES[target["layout"]],
            filename=f"export-{target['run_id']}.{target['layout']}",
            encryption=target["encryption"],
        ),
    )
