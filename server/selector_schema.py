"""The JSON Schema of selectors, made from the shape that requests are read with."""

from __future__ import annotations

from typing import Any

import msgspec

from flows.criteria import MAX_LENGTH, MAX_VALUES, SelectorFields

TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"}
INSTANT = {"type": ["string", "null"], "format": "date-time", "description": "RFC 3339, at most to the microsecond."}


def selector_schema() -> dict[str, Any]:
    """Return the schema of selectors, in one piece.

    Rules that a schema cannot state are left to the answer: a window must not end before it begins.
    """
    _, parts = msgspec.json.schema_components([SelectorFields], ref_template="{name}")
    schema = {**parts["SelectorFields"], "description": "Which evidence; a field replaces the profile's own."}
    fields = {name: _listed(each) if "items" in each else each for name, each in schema["properties"].items()}
    window = {**parts["WindowFields"], "type": ["object", "null"], "properties": {"from": INSTANT, "to": INSTANT}}
    window["description"] = "Half open: from <= modified < to; a side that is left out is open."
    fields["timeWindow"] = window
    fields["tenants"] = {**fields["tenants"], "minItems": 1, "description": "Among the token's; else 403."}
    return {**schema, "properties": fields}


def _listed(field: dict[str, Any]) -> dict[str, Any]:
    return {**field, "items": TEXT, "maxItems": MAX_VALUES}
