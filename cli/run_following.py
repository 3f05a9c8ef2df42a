"""``run submit`` and ``run watch``: a run from its submission to its end, which decides the exit code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.complaints import Complaint
from cli.errors import Interrupted, UsageError
from cli.exits import CANCELED, api_exit_code
from cli.options import TEXT, format_option, profile_argument, request_options
from cli.output import Format, chosen, complain, emit, note, show
from cli.remote import remote_options, service
from cli.run_views import line_of, short
from cli.runs import run_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from client import Client
    from client.models import Event, Run, Submission

LISTS = ("products", "sboms", "ecosystems", "sources", "severities", "ids")


@click.command()
@profile_argument
@request_options
@click.option("--base", metavar="RUN|DIGEST", type=TEXT, help="What a delta starts from.")
@click.option(
    "--priority",
    type=click.Choice(["high", "standard", "low"]),
    default="standard",
    show_default=True,
    help="Which runs go before which.",
)
@click.option("--idempotency-key", metavar="UUID", type=TEXT, help="The same one never makes a second run.")
@click.option("--wait", is_flag=True, help="Wait for its end, and show it then.")
@click.option("--watch", is_flag=True, help="Follow its events to its end.")
@remote_options
@format_option
def submit(profile: str, wait: bool, watch: bool, wanted: str | None, **options: Any) -> None:
    """Submit a run of a profile that the service knows.

    With --wait and --watch the exit code is that of the run.

    Example: export-center run submit json-raw --ecosystem npm --watch
    """
    if wait and watch:
        raise UsageError("--wait or --watch, not both")
    remote = {name: options.pop(name) for name in ("server", "tenant", "token_file", "dpop_key")}
    with service(remote) as client:
        submitted = _submit(client, profile, options)
        if not (wait or watch):
            show(msgspec.to_builtins(submitted), wanted)
            return
        note(f"submitted {submitted.run_id}")
        with _leaving_alone(submitted.run_id):
            if watch:
                _follow(client, submitted.run_id, wanted)
            ended = client.run(submitted.run_id) if watch else client.ended(submitted.run_id)
    if wait:
        show(msgspec.to_builtins(ended), wanted, table=lambda: short(ended))
    _end_as(ended)


@click.command()
@run_argument
@click.option("--after", metavar="N", type=click.IntRange(0), default=0, help="Number of the last event that is known.")
@remote_options
@format_option
def watch(run_id: str, after: int, wanted: str | None, **remote: Any) -> None:
    """Follow a run to its end, which decides the exit code.

    Events are printed as they come, JSON with one on each line. Ctrl-C leaves the run alone.

    Example: export-center run watch run-20260131-01
    """
    with service(remote) as client, _leaving_alone(run_id):
        _follow(client, run_id, wanted, after=after)
        ended = client.run(run_id)
    _end_as(ended)


COMMANDS = (submit, watch)


def _submit(client: Client, profile: str, options: Mapping[str, Any]) -> Submission:
    selectors: dict[str, Any] = {name: list(options[name]) for name in LISTS if options[name]}
    window = {"from": options["from_"], "to": options["to"]}
    if times := {name: value for name, value in window.items() if value is not None}:
        selectors["timeWindow"] = times
    chosen_options = {
        "allowEmpty": options["allow_empty"],
        "priority": options["priority"],
        "base": options["base"],
        "asOf": options["as_of"],
    }
    return client.submit(
        profile,
        selectors=selectors,
        policy_snapshot_id=options["policy_snapshot"],
        options={name: value for name, value in chosen_options.items() if value is not None},
        idempotency_key=options["idempotency_key"],
    )


def _follow(client: Client, run_id: str, wanted: str | None, *, after: int = 0) -> None:
    text = PRINTED[chosen(wanted)]
    for event in client.watch(run_id, after=after):
        emit(text(event))


def _json(event: Event) -> str:
    return msgspec.json.encode(event).decode() + "\n"


def _yaml(event: Event) -> str:
    from cli.text import yaml_text

    return yaml_text([msgspec.to_builtins(event)])


PRINTED: Mapping[Format, Callable[[Event], str]] = {
    Format.TABLE: lambda event: f"{line_of(event)}\n",
    Format.JSON: _json,
    Format.YAML: _yaml,
}


@contextmanager
def _leaving_alone(run_id: str) -> Iterator[None]:
    """Say, when somebody stops the command, that this does not stop the run."""
    try:
        yield
    except Interrupted as stop:
        note(f"{run_id} goes on; `export-center run watch {run_id}` follows it, `run cancel {run_id}` ends it")
        raise click.exceptions.Exit(CANCELED) from stop


def _end_as(run: Run) -> None:
    """Do nothing for a run that ended well.

    Raises:
        Exit: It failed or was canceled; the code says which.
    """
    if run.status == "success":
        return
    if run.status == "canceled":
        why = f": {run.cancel_reason}" if run.cancel_reason else ""
        complaint = Complaint(f"{run.run_id} was canceled by {run.canceled_by}{why}", "", CANCELED)
    else:
        code, message = (run.error.code, run.error.message) if run.error else ("", str(run.error_code))
        complaint = Complaint(f"{run.run_id} failed: {message}", f"Trace: {run.trace_id}", api_exit_code(code))
    complain(complaint)
    raise click.exceptions.Exit(complaint.code)
