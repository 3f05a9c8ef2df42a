"""An OpenTelemetry provider that writes ended spans to the file that SPANS names, one JSON object a line.

It stands for an SDK, and is found as one is: by the entry point that OTEL_PYTHON_TRACER_PROVIDER names.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.context import Context


class Span(trace.NonRecordingSpan):
    """One span; what it is told meanwhile is dropped."""

    def __init__(self, name: str, parent: trace.SpanContext, attributes: Any) -> None:
        of = parent.trace_id if parent.is_valid else secrets.randbits(128)
        super().__init__(trace.SpanContext(of, secrets.randbits(64), is_remote=False, trace_flags=trace.TraceFlags(1)))
        self._told = {"name": name, "parent": f"{parent.span_id:016x}", "attributes": dict(attributes or {})}

    def update_name(self, name: str) -> None:
        self._told["name"] = name

    def end(self, end_time: int | None = None) -> None:  # noqa: ARG002 - as of all spans
        mine = self.get_span_context()
        line = {**self._told, "trace": f"{mine.trace_id:032x}", "span": f"{mine.span_id:016x}"}
        with open(os.environ["SPANS"], "a") as file:  # noqa: PTH123 - one write a line, whole
            file.write(json.dumps(line, default=str) + "\n")


class Tracer(trace.Tracer):
    """Makes spans."""

    def start_span(self, name: str, context: Context | None = None, *_: Any, **more: Any) -> Span:
        parent = trace.get_current_span(context).get_span_context()
        return Span(name, parent, more.get("attributes"))

    @contextmanager
    def start_as_current_span(self, name: str, context: Context | None = None, *_: Any, **more: Any) -> Iterator[Span]:  # type: ignore[override]
        span = self.start_span(name, context, **more)
        with trace.use_span(span, end_on_exit=True):
            yield span


class Provider(trace.TracerProvider):
    """Makes tracers."""

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return Tracer()
