"""Answers held against the API's own description: status, headers, media type, schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from server.endpoints import ENDPOINTS
from server.problems import Problem
from server.routing import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.server.conformance.people import Seen

TABLE = Table(ENDPOINTS)


class Description:
    """The OpenAPI document of a service."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def complaint(self, seen: Seen) -> str | None:
        """Return in what an answer is not as described, if it is not."""
        try:
            self._check(seen)
        except (AssertionError, ValidationError) as error:
            return f"{seen.method} {seen.path} {seen.answer.status_code}: {error}"
        return None

    def _check(self, seen: Seen) -> None:
        responses = self._responses(seen)
        assert str(seen.answer.status_code) in responses
        described = self._resolved(responses[str(seen.answer.status_code)])
        self._headers(seen, described.get("headers", {}))
        if seen.method != "HEAD":
            self._body(seen, described.get("content", {}))

    def _responses(self, seen: Seen) -> Mapping[str, Any]:
        """Return what is described of an endpoint; of what is none, the errors that say so."""
        try:
            endpoint, _ = TABLE.find(seen.method, seen.path)
        except Problem as problem:
            return {str(problem.status): self._document["components"]["responses"][f"Error{problem.status}"]}
        described: Mapping[str, Any] = self._document["paths"][endpoint.path][endpoint.method.lower()]["responses"]
        return described

    def _headers(self, seen: Seen, described: Mapping[str, Any]) -> None:
        for name, header in described.items():
            value = seen.answer.headers.get(name)
            if value is None:
                assert not header.get("required"), f"{name} is missing"
                continue
            schema = header["schema"]
            self._validate(int(value) if schema["type"] == "integer" else value, schema)

    def _body(self, seen: Seen, content: Mapping[str, Any]) -> None:
        media = seen.answer.headers.get("content-type", "").partition(";")[0]
        if not content:
            assert not seen.answer.content
            return
        assert media in content
        schema = content[media].get("schema")
        if media == "application/json" and schema:
            self._validate(json.loads(seen.answer.content), schema)

    def _validate(self, value: object, schema: Mapping[str, Any]) -> None:
        whole = {**schema, "components": self._document["components"]}
        Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = part.get("$ref")
        if reference is None:
            return part
        found: Any = self._document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        return dict(found)
