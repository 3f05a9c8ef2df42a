"""The OpenAPI 3.1 description, made from the route table and the models: what is served is what is described."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, get_args

from pydantic.json_schema import models_json_schema

from server import answers, examples
from server.codes import CODES, MEANINGS, codes_of
from server.described import FACTS, JSON, SSE, Facts, Parameter
from server.headers import HEADERS, QUOTA
from server.routing import Scope
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from server.routing import Endpoint

REFERENCE = "#/components/schemas/{model}"
_NAME = re.compile(r"\{(\w+)\}")
PATH_SCHEMAS = {
    "runId": {"type": "string", "pattern": "^run-[0-9]{8}-[0-9]{2,}$", "examples": [examples.RUN]},
    "profileId": {"type": "string", "pattern": "^[a-z0-9-]{1,63}(@[1-9][0-9]{0,8})?$", "examples": ["prof-json-raw"]},
    "ticket": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
}
SSE_EVENT = {
    "type": "object",
    "description": f"Each event of the stream, which looks like this:\n\n{examples.STREAM}",
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"type": "string", "enum": list(get_args(answers.Event))},
        "data": {"type": "string", "contentMediaType": JSON},
        "retry": {"type": "integer"},
    },
    "required": ["id", "event", "data"],
    "additionalProperties": False,
}
"""A schema of a stream is one of its events: so do tools read it, and so does OpenAPI 3.2 with itemSchema."""

OF_ERRORS = {
    401: ("WWW-Authenticate", "DPoP-Nonce?"),
    403: ("WWW-Authenticate?",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
"""Headers that errors have beyond those of all; one whose name ends with ? is not always there."""

ANY_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
SCOPES = {
    Scope.READ: "list and look at profiles, runs, events and distributions",
    Scope.RUN: "submit, plan, cancel and retry runs",
    Scope.DOWNLOAD: "download bundles, manifests and provenance, and make tickets",
    Scope.MANAGE: "make and change profiles and webhooks",
}
DPOP = (
    "An access token (RFC 9068) bound to the client's key by DPoP (RFC 9449): `Authorization: DPoP <token>` and a "
    "fresh proof in the header DPoP with each request. A token that is not bound is refused."
)
BEARER = (
    "The same token and the same proof with the word Bearer instead: the form of this API's contract. RFC 9449 7.2 "
    "would have it refused, which is a setting. A bound token without a proof is refused in both forms."
)


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the description of endpoints."""
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Export Center",
            "version": version("export-center"),
            "summary": "Deterministic, signed bundles of security evidence.",
            "description": f"Errors have one shape.\n\n{_table_of_codes()}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This service."}],
        "paths": paths,
        "x-codes": {name: each._asdict() for name, each in CODES.items()},
        "components": {
            "schemas": _schemas(endpoints),
            "responses": {f"Error{status}": _error(status) for status in MEANINGS},
            "headers": dict(HEADERS),
            "securitySchemes": {
                "dpop": {"type": "http", "scheme": "dpop", "description": f"{DPOP}\n\n{_list_of_scopes()}"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": BEARER},
            },
        },
    }


def operation(endpoint: Endpoint) -> dict[str, Any]:
    """Return the description of one endpoint."""
    facts = FACTS.get(endpoint.name, Facts())
    scope = endpoint.scope
    described: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "tags": [_tag(endpoint)],
        "summary": endpoint.summary,
        "description": " ".join(filter(None, (facts.text, f"Scope: `{scope}`." if scope else "Needs no token."))),
        "security": [{"dpop": [str(scope)]}, {"bearer": [str(scope)]}] if scope else [],
        "parameters": list(_parameters(endpoint, facts)),
        "responses": {**_good(endpoint, facts), **_errors(endpoint, facts)},
    }
    if endpoint.request is not None:
        content: dict[str, Any] = {"schema": _reference(endpoint.request)}
        if facts.example:
            content["examples"] = {"contract": {"value": examples.REQUESTS[facts.example]}}
        described["requestBody"] = {"required": bool(_required(endpoint.request)), "content": {JSON: content}}
    return described


def operation_id(endpoint: Endpoint) -> str:
    """Return a name of its own for each endpoint, as in "postRunsRunIdCancel"."""
    words = re.findall(r"[A-Za-z]+", endpoint.path.removeprefix(BASE))
    return endpoint.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def error_statuses(endpoint: Endpoint, facts: Facts) -> tuple[int, ...]:
    """Return the statuses of errors that an endpoint may answer with."""
    found = {400, 500, 503, *facts.errors}
    if endpoint.scope is not None:
        found |= {401, 403}
    if "{" in endpoint.path:
        found.add(404)
    if endpoint.request is not None:
        found |= {413, 415}
    if endpoint.mutation:
        found |= {409, 422}
    return tuple(sorted(found))


def _parameters(endpoint: Endpoint, facts: Facts) -> Iterable[dict[str, Any]]:
    for name in _NAME.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS.get(name, ANY_ID)}
    for each in facts.query:
        yield {"name": each.name, "in": "query", "description": each.description, "schema": each.schema}
    for each in (*facts.headers, *_common(endpoint)):
        yield {"name": each.name, "in": "header", "description": each.description, "schema": each.schema}


def _common(endpoint: Endpoint) -> Iterable[Parameter]:
    if endpoint.scope is not None:
        yield Parameter(
            name="X-Stella-Tenant",
            description="Which of the token's tenants; needed when it names several.",
            schema={"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"},
        )
    if endpoint.mutation:
        yield Parameter(
            name="Idempotency-Key",
            description="A UUID. The same key with the same request gives the first answer again, for two days.",
            schema={"type": "string", "format": "uuid"},
        )
    yield Parameter(
        name="traceparent",
        description="The caller's trace (W3C); what is malformed is ignored.",
        schema={"type": "string", "examples": [f"00-{examples.TRACE}-b7ad6b7169203331-01"]},
    )


def _good(endpoint: Endpoint, facts: Facts) -> dict[str, Any]:
    headers = {name.rstrip("?"): _header(name) for name in ("X-Trace-Id", "Deprecation?", "Sunset?")}
    if endpoint.scope is not None:
        headers |= {name: _header(name) for name in QUOTA}
    if endpoint.mutation:
        headers["Idempotent-Replayed"] = _header("Idempotent-Replayed?")
    own = {name.rstrip("?"): _header(name) for name in facts.gives}
    main: dict[str, Any] = {"description": endpoint.summary, "headers": {**headers, **own}}
    if endpoint.status != 204:  # noqa: PLR2004 - no content
        main["content"] = _content(endpoint, facts)
    if endpoint.method == "POST" and "Location" in facts.gives:
        main["links"] = _links()
    found = {str(endpoint.status): main}
    for status, meaning in facts.also.items():
        loose = {name.rstrip("?"): _header(f"{name.rstrip('?')}?") for name in facts.gives}
        found[str(status)] = {"description": meaning, "headers": {**headers, **loose}}
        if status == 206:  # noqa: PLR2004 - partial content
            found[str(status)]["content"] = {**_content(endpoint, facts), "multipart/byteranges": {}}
        elif status == 200:  # noqa: PLR2004 - what was waited for
            found[str(status)]["content"] = {JSON: {"schema": _reference(answers.Run)}}
    return found


def _content(endpoint: Endpoint, facts: Facts) -> dict[str, Any]:
    media = facts.media or {JSON: endpoint.response}
    return {name: _body(name, model) for name, model in media.items()}


def _body(media: str, model: type[BaseModel] | None) -> dict[str, Any]:
    if media == SSE:
        return {"schema": SSE_EVENT}
    if model is None:
        return {"schema": {"type": "object"}} if media == JSON else {}
    if media != JSON:
        return {"schema": {"type": "string", "description": f"Every line is a JSON object: {model.__name__}."}}
    example = examples.ANSWERS.get(model.__name__)
    return {"schema": _reference(model), **({"examples": {"contract": {"value": example}}} if example else {})}


def _links() -> dict[str, Any]:
    """Return where the run of a submission goes on."""
    return {
        name: {"operationId": f"{name}", "parameters": {"runId": "$response.body#/runId"}}
        for name in ("getRunsRunId", "getRunsRunIdEvents", "postRunsRunIdCancel", "getRunsRunIdDistributions")
    }


def _errors(endpoint: Endpoint, facts: Facts) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/Error{status}"} for status in error_statuses(endpoint, facts)
    }


def _error(status: int) -> dict[str, Any]:
    codes = codes_of(status)
    wanted = {"allOf": [_reference(answers.Problem)], "properties": {"code": {"enum": list(codes)}}}
    headers = {"X-Trace-Id": _header("X-Trace-Id")}
    headers |= {name.rstrip("?"): _header(name) for name in OF_ERRORS.get(status, ())}
    if status != 401:  # noqa: PLR2004 - of nobody no tenant is known
        headers |= {name: _header(f"{name}?") for name in QUOTA}
    return {"description": MEANINGS[status], "headers": headers, "content": {JSON: {"schema": wanted}}}


def _header(name: str) -> dict[str, Any]:
    """Return a header; one whose name ends with ? is not always there."""
    described = HEADERS[name.rstrip("?")]
    if name.endswith("?"):
        return described
    return {**described, "required": True}


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    found: set[type[BaseModel]] = {answers.Problem, answers.Run, answers.EventLine, answers.SignedDocument}
    for each in endpoints:
        found |= {model for model in (each.request, each.response) if model is not None}
    ordered: list[type[BaseModel]] = sorted(found, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    schemas: dict[str, Any] = made["$defs"]
    schemas["Problem"]["properties"]["code"]["enum"] = list(CODES)
    return dict(sorted(schemas.items()))


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _tag(endpoint: Endpoint) -> str:
    first = re.split(r"[/:.]", endpoint.path.removeprefix(f"{BASE}/"))[0]
    return {"openapi": "description", "docs": "description", "tickets": "runs"}.get(first, first)


def _table_of_codes() -> str:
    rows = [
        f"| `{name}` | {', '.join(map(str, each.statuses))} | {each.meaning} | {each.details} |"
        for name, each in CODES.items()
    ]
    return "\n".join(["| code | status | meaning | details |", "|---|---|---|---|", *rows])


def _list_of_scopes() -> str:
    return "\n".join(f"* `{scope}`: {meaning}" for scope, meaning in SCOPES.items())
