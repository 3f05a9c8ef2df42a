"""What the description says of an endpoint beyond its row in the route table: parameters, headers, media types, errors.

The key is method and path without the base. An endpoint that is not here takes no parameters beyond its path, answers
with JSON, and has the errors that all have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from server import answers, profiles
from server.context import MAX_PAGE, MAX_PAGE_SIZE
from server.runs import STATUSES
from server.streaming import FORMATS
from server.streams import MAX_SEQ_DIGITS
from server.waiting import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

RUN_ID_EXAMPLE = "run-20251029-01"
TAR, ZIP, RANGES = "application/zstd", "application/zip", "multipart/byteranges"
SSE, NDJSON, TEXT, JSON, HTML = (
    "text/event-stream",
    "application/x-ndjson",
    "text/plain",
    "application/json",
    "text/html",
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the query, or a header of a request."""

    name: str
    description: str
    schema: Mapping[str, Any]
    example: Any = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is told of one endpoint.

    Attributes:
        text: Further sentences.
        query: Parameters of the query.
        headers: Headers of the request, beyond those that all have.
        gives: Headers of a good answer, beyond those that all have; those that end with ? are not always there.
        media: Media type of a good answer to its model; None for bytes.
        also: Further statuses of success, to what they mean; those without content have none.
        errors: Statuses of errors, beyond those that all have.
        example: Name of the request's example.
    """

    text: str = ""
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    gives: tuple[str, ...] = ()
    media: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    also: Mapping[int, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    example: str = ""


PAGE = (
    Parameter(
        name="page",
        description="From 1; beyond the end, items is empty.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1},
    ),
    Parameter(
        name="pageSize",
        description="Items of a page.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": 20},
    ),
)
WAIT = Parameter(
    name="wait",
    description="Answer when the run is over, or after so many seconds.",
    schema={"type": "integer", "minimum": 0, "maximum": LONGEST_SECONDS, "default": 0},
)
SIGNATURE = Parameter(
    name="signature",
    description="Return the detached signature instead, in base64.",
    schema={"type": "string", "enum": ["true", "false"], "default": "false"},
)
CONDITIONS = tuple(
    Parameter(name=name, description=text, schema={"type": "string"})
    for name, text in {
        "Range": "Which bytes, as in bytes=0-1023 (RFC 9110).",
        "If-Range": "The entity tag that the range is of; with another one, everything is sent.",
        "If-Match": "Answer only while the bundle has this entity tag; else 412.",
        "If-None-Match": "Answer 304 while the bundle has this entity tag.",
    }.items()
)
SENT = (
    "Accept-Ranges",
    "Content-Disposition",
    "ETag",
    "Repr-Digest",
    "X-Export-Digest",
    "X-Export-Encryption?",
    "X-Export-Size",
)
BUNDLE = Facts(
    text="Bytes are those of the signed bundle; its entity tag is its digest, so a download can be resumed anywhere. "
    "A folder is sent as tar.zst. HEAD answers the same without a body.",
    headers=CONDITIONS,
    gives=SENT,
    media={TAR: None, ZIP: None},
    also={206: "The bytes that were asked for.", 304: "The client has it already."},
    errors=(409, 412, 416, 422),
)
SIGNED = Facts(
    query=(SIGNATURE,), media={JSON: answers.SignedDocument, TEXT: None}, errors=(409, 422), text="Byte for byte."
)
FACTS = {
    "GET /runs": Facts(
        text="Filters are joined by and. A filter that does not exist is refused.",
        query=(
            Parameter(
                name="status",
                description="One status, or active for pending and running.",
                schema={"type": "string", "enum": ["active", *STATUSES]},
            ),
            Parameter(
                name="profileId",
                description="All revisions of a profile, or the one that id@n names.",
                schema={"type": "string", "pattern": "^[a-z0-9-]{1,63}(@[1-9][0-9]{0,8})?$"},
            ),
            Parameter(name="traceId", description="The trace that a submission belongs to.", schema={"type": "string"}),
            *PAGE,
        ),
        gives=("X-Total-Count", "Link"),
    ),
    "POST /runs": Facts(
        text="When the answer comes, the run is durably queued, whether Prefect is up or not. "
        "With wait, the answer is the run itself once it is over (200), or the error that it ended with.",
        query=(WAIT,),
        gives=("Location", "Retry-After"),
        also={200: "The run is over, and succeeded."},
        errors=(404, 409, 422, 429, 502),
        example="submission",
    ),
    "GET /profiles": Facts(
        text="The tenant's own, and those that all tenants share.",
        query=(
            *(
                Parameter(name=name, description=f"Profiles of this {name} only.", schema={"type": "string"})
                for name in ("kind", "variant")
            ),
            Parameter(
                name="status",
                description="Profiles that are in use, or out of use.",
                schema={"type": "string", "enum": list(profiles.STATUSES)},
            ),
            *PAGE,
        ),
        gives=("X-Total-Count", "Link"),
    ),
    "POST /profiles": Facts(
        text="Without profileId, it is made from the name. One commit of the profiles repository, by the caller.",
        gives=("Location",),
        errors=(409, 422),
        example="profile",
    ),
    "PATCH /profiles/{profileId}": Facts(
        text="A merge patch (RFC 7396). What changes the bytes of bundles makes a new revision, x@2; x@1 stays.",
        errors=(409, 422),
        example="patch",
    ),
    "POST /profiles/{profileId}:archive": Facts(text="Runs and bundles stay; new runs are refused.", errors=(409, 422)),
    "POST /profiles/{profileId}:restore": Facts(text="Undoes :archive.", errors=(409, 422)),
    "POST /runs:plan": Facts(
        text="Nothing is made and nothing is charged. A tenant has one at once.",
        errors=(404, 422, 429, 502),
        example="submission",
    ),
    "GET /runs/{runId}": Facts(
        text="Retry-After says when it is worth another look, while the run is not over.",
        query=(WAIT,),
        gives=("Retry-After?",),
    ),
    "POST /runs/{runId}:cancel": Facts(
        text="The run ends when its process has; until then its status is what it was. Again: 202.",
        gives=("Retry-After",),
        errors=(409,),
        example="reason",
    ),
    "POST /runs/{runId}:retry": Facts(
        text="A new run with the selectors and options of the old one, checked like any other.",
        gives=("Location", "Retry-After"),
        errors=(409, 429),
    ),
    "POST /runs/{runId}:ticket": Facts(
        text="For tools that cannot make a proof for each request: browsers, wget, aria2c.", errors=(409, 422)
    ),
    "GET /tickets/{ticket}": BUNDLE,
    "GET /runs/{runId}/events": Facts(
        text="A stream closes after the terminal event; reconnecting after that gives 204. Lines of comments "
        "(`: ping`) come every 15 seconds.",
        query=(
            Parameter(
                name="format",
                description="sse streams; audit is everything so far, a JSON object a line.",
                schema={"type": "string", "enum": list(FORMATS), "default": "sse"},
            ),
            Parameter(
                name="lastEventId",
                description="As the header, for clients that cannot set it.",
                schema={"type": "integer", "minimum": 0, "maximum": 10**MAX_SEQ_DIGITS - 1},
            ),
        ),
        headers=(
            Parameter(
                name="Last-Event-ID",
                description="Id of the last event that the client has seen; what follows is sent. Empty is none.",
                schema={"type": "string", "pattern": f"^[0-9]{{0,{MAX_SEQ_DIGITS}}}$"},
            ),
        ),
        media={SSE: None, NDJSON: answers.EventLine},
        also={204: "The run is over, and the client has all of it."},
    ),
    "GET /runs/{runId}/download": BUNDLE,
    "GET /runs/{runId}/manifest": SIGNED,
    "GET /runs/{runId}/provenance": SIGNED,
    "GET /webhooks": Facts(query=PAGE, gives=("X-Total-Count", "Link")),
    "POST /webhooks": Facts(
        text="A secret that is made here is shown in this answer and never again.",
        gives=("Location",),
        example="webhook",
    ),
    "GET /webhooks/{webhookId}/dead-letters": Facts(query=PAGE, gives=("X-Total-Count", "Link")),
    "POST /webhooks/{webhookId}:replay": Facts(
        text="Without messageId, all of them. A disabled webhook is enabled first.", gives=("Retry-After",)
    ),
    "POST /webhooks/{webhookId}:ping": Facts(
        text="The webhook's lastDelivery says how it went. While one is still to be sent, there is no other: 409.",
        gives=("Retry-After",),
    ),
    "GET /openapi.json": Facts(
        headers=(CONDITIONS[3],), gives=("ETag",), media={JSON: None}, also={304: "The client has it already."}
    ),
    "GET /docs": Facts(
        headers=(CONDITIONS[3],), gives=("ETag",), media={HTML: None}, also={304: "The client has it already."}
    ),
}
