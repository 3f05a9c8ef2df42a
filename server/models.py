"""Bodies of requests, as they are checked and described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from server.problems import VALIDATION, Problem
from server.selector_schema import selector_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)
Text = Annotated[str, Field(min_length=1, max_length=512)]
Selectors = Annotated[dict[str, Any], WithJsonSchema(selector_schema())]


class Body(BaseModel):
    """A body: camelCase, strict about types and names."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class RunOptions(Body):
    """How a run is to be done."""

    allow_empty: bool = Field(default=False, description="Whether a bundle without records is one.")
    priority: Literal["standard", "low", "high"] = Field(default="standard", description="The work queue.")
    base: Text | None = Field(default=None, description="Of a delta: a run id or contentDigest.")
    as_of: str | None = Field(default=None, max_length=64, description="RFC 3339 time that stands for now.")


class RunRequest(Body):
    """A submission."""

    profile_id: Text
    selectors: Selectors = Field(default_factory=dict)
    policy_snapshot_id: Text | None = None
    options: RunOptions = Field(default_factory=RunOptions)


class ProfileFields(BaseModel):
    """Fields of a profile; which ones there are, its YAML schema says."""

    model_config = ConfigDict(extra="allow")


class CancelRequest(Body):
    """Why a run is to end."""

    reason: str | None = Field(default=None, max_length=2000)


class WebhookRequest(Body):
    """Where to tell what runs do."""

    target_url: Annotated[str, Field(min_length=1, max_length=2000)]
    events: list[Literal[
        "run.accepted", "run.progress", "run.distribution", "run.signed", "run.succeeded", "run.failed", "run.canceled",
    ]] = Field(default=["run.succeeded"], min_length=1, max_length=20)  # fmt: skip
    secret: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="What messages are signed with; made and shown once when absent."
    )
    description: str | None = Field(default=None, max_length=2000)


class ReplayRequest(Body):
    """Which dead letter to send again; all of them when it names none."""

    message_id: Text | None = None


def checked(model: type[Model], value: Mapping[str, Any]) -> Model:
    """Return a body as its model.

    Raises:
        Problem: With every offending field in ``details``.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [{"field": _field(each["loc"]), "message": each["msg"]} for each in error.errors()]
        first = found[0]
        raise Problem(400, VALIDATION, f"{first['field']}: {first['message']}", details=found) from error


def _field(path: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
