"""``run``: submitting runs to a service, listing, showing, canceling and repeating them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.options import TEXT, format_option
from cli.output import show
from cli.remote import remote_options, service
from cli.run_views import LISTED, row_of, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from client.models import RunSummary

PAGE = 20
LONGEST_WAIT = 60
run_argument = click.argument("run_id", metavar="RUN", type=TEXT)


@click.group()
def run() -> None:
    """Have a service do runs: submit, follow, cancel, fetch.

    Example: export-center run submit json-raw --watch
    """


@run.command("list")
@click.option("--status", metavar="S", type=TEXT, help="pending, running, success, failed, canceled, or active.")
@click.option("--profile", metavar="ID", type=TEXT, help="Only this profile's, of all revisions or of one, as in x@2.")
@click.option("--trace-id", metavar="ID", type=TEXT, help="Only those that a request with this trace submitted.")
@click.option("--limit", metavar="N", type=click.IntRange(1), default=PAGE, show_default=True, help="How many at most.")
@remote_options
@format_option
def list_runs(
    status: str | None, profile: str | None, trace_id: str | None, limit: int, wanted: str | None, **remote: Any
) -> None:
    """List runs, newest first.

    Example: export-center run list --status active
    """
    import itertools

    with service(remote) as client:
        every = client.runs(status=status, profile_id=profile, trace_id=trace_id, page_size=min(limit, 200))
        found = list(itertools.islice(every, limit))
    show([msgspec.to_builtins(each) for each in found], wanted, table=lambda: _table(found))


def _table(found: Iterable[RunSummary]) -> Any:
    from cli.tables import rows

    return rows(LISTED, (row_of(each) for each in found))


@run.command()
@run_argument
@click.option(
    "--wait", metavar="SECONDS", type=click.IntRange(0, LONGEST_WAIT), help="Wait so long for its end, at most 60."
)
@remote_options
@format_option
def status(run_id: str, wait: int | None, wanted: str | None, **remote: Any) -> None:
    """Show a run.

    Example: export-center run status run-20260131-01
    """
    with service(remote) as client:
        found = client.run(run_id, wait=wait)
    show(msgspec.to_builtins(found), wanted, table=lambda: short(found))


@run.command()
@run_argument
@click.option("--reason", metavar="TEXT", type=TEXT, help="Why, for those who look at the run later.")
@remote_options
@format_option
def cancel(run_id: str, reason: str | None, wanted: str | None, **remote: Any) -> None:
    """Ask a run to end.

    It has ended when its status says so, which takes some seconds when it is at work.

    Example: export-center run cancel run-20260131-01 --reason "wrong window"
    """
    with service(remote) as client:
        show(msgspec.to_builtins(client.cancel(run_id, reason=reason)), wanted)


@run.command()
@run_argument
@remote_options
@format_option
def retry(run_id: str, wanted: str | None, **remote: Any) -> None:
    """Do a run that failed or was canceled once more, as a new run.

    Example: export-center run retry run-20260131-01
    """
    with service(remote) as client:
        show(msgspec.to_builtins(client.retry(run_id)), wanted)
