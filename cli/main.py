"""The program ``export-center``: it joins the commands, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import bundle
from cli import (
    bundles,
    config,
    doctor,
    ending,
    evidence_store,
    exports,
    ingests,
    keys,
    profile_changes,
    profiles,
    quickstart,
    run_bundles,
    run_following,
    runs,
    serve,
    site,
    vault,
    webhooks,
)
from cli.complaints import complaint_about
from cli.exits import CANCELED, FAILED, SUCCESS, USAGE
from cli.offline import go_offline
from cli.output import complain, note
from cli.tracing import Trace, timing, told

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "export-center"
EVERYWHERE = ("--offline", "--trace")
"""Flags that may stand anywhere on the line."""


class InOrder(click.Group):
    """A group that lists its commands in the order in which people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order they were added."""
        del ctx
        return list(self.commands)


@click.group(cls=InOrder)
@click.version_option(bundle.__version__, message="%(prog)s %(version)s", help="Print the version.")
@click.option("--trace", is_flag=True, help="Tell how long each stage took, and the stack when something fails.")
@click.option("--offline", is_flag=True, help="Open no socket; what needs one ends with 5.")
def app(trace: bool, offline: bool) -> None:
    """Deterministic, signed bundles of security evidence.

    --offline and --trace may stand anywhere on the line.

    Example: export-center quickstart
    """
    Trace.wanted = trace
    if offline:
        go_offline()


COMMANDS = (
    quickstart.quickstart,
    ingests.ingest,
    evidence_store.evidence,
    profiles.profile,
    exports.plan,
    exports.export,
    bundles.bundle,
    keys.keys,
    config.config,
    site.site,
    serve.serve,
    vault.vault,
    runs.run,
    webhooks.webhook,
    doctor.doctor,
)
for command in COMMANDS:
    app.add_command(command)
for command in profile_changes.COMMANDS:
    profiles.profile.add_command(command)
for command in (*run_following.COMMANDS, *run_bundles.COMMANDS):
    runs.run.add_command(command)


def main() -> None:
    """Run the command line, and end with the exit code that the outcome has."""
    ending.prepare()
    code = outcome(sys.argv[1:])
    if Trace.wanted:
        note(told())
    ending.end(code)


def outcome(arguments: Sequence[str]) -> int:
    """Run one command line; say what went wrong, and return the exit code."""
    try:
        with timing("command"):
            # Outside standalone mode, what a command exits with is what the call returns.
            return app.main(_flags_first(arguments), prog_name=PROGRAM, standalone_mode=False) or SUCCESS
    except BrokenPipeError:
        return FAILED
    except SystemExit as error:  # a library's, such as Rich's when nobody reads its table any more
        return error.code if isinstance(error.code, int) else FAILED
    except BaseException as error:  # noqa: BLE001 - the rim: everything ends as a message and a code
        return _failure(error)


def _failure(error: BaseException) -> int:
    """Tell a person about an error; the stack is for those who asked for it."""
    if Trace.wanted:
        import traceback

        note("".join(traceback.format_exception(error)))
    if ending.was_stopped():
        note("interrupted; nothing was left half-written")
        return CANCELED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        note(str(error))
        return USAGE
    complaint = complaint_about(error)
    complain(complaint)
    return complaint.code


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Move the flags that may stand anywhere to where the parser expects them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = [each for each in arguments[:end] if each in EVERYWHERE]
    return [*dict.fromkeys(flags), *(each for each in arguments[:end] if each not in EVERYWHERE), *arguments[end:]]
