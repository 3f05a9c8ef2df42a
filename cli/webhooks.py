"""``webhook``: having a service tell others what runs do, and sending again what did not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.options import PATH, TEXT, format_option
from cli.output import note, show
from cli.remote import remote_options, service

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("webhookId", "status", "targetUrl", "events", "pending", "deadLetters", "createdAt")
LETTERS = ("messageId", "event", "runId", "attempts", "deadAt", "reason")
id_argument = click.argument("webhook_id", metavar="ID", type=TEXT)


@click.group()
def webhook() -> None:
    """Have a service tell others what runs do.

    Example: export-center webhook create https://ci.example/hook --event run.succeeded
    """


@webhook.command()
@click.argument("url", metavar="URL", type=TEXT)
@click.option(
    "--event",
    "events",
    metavar="E",
    type=TEXT,
    multiple=True,
    help="What is told, by default run.succeeded; may be repeated.",
)
@click.option("--secret-file", metavar="FILE", type=PATH, help="Holds what messages are signed with; else one is made.")
@click.option("--description", metavar="TEXT", type=TEXT, help="For those who look at it later.")
@remote_options
@format_option
def create(
    url: str,
    events: tuple[str, ...],
    secret_file: Path | None,
    description: str | None,
    wanted: str | None,
    **remote: Any,
) -> None:
    """Register a webhook.

    A secret that the service makes is printed now and never again.

    Example: export-center webhook create https://ci.example/hook --event run.succeeded --event run.failed
    """
    secret = None if secret_file is None else secret_file.read_text().strip()
    with service(remote) as client:
        made = client.create_webhook(url, events=list(events) or None, secret=secret, description=description)
    if made.secret is not None:
        note("keep the secret: it is shown this once")
    show(msgspec.to_builtins(made), wanted)


@webhook.command("list")
@remote_options
@format_option
def list_webhooks(wanted: str | None, **remote: Any) -> None:
    """List webhooks, newest first, and how they fare.

    Example: export-center webhook list
    """
    with service(remote) as client:
        found = [msgspec.to_builtins(each) for each in client.webhooks()]
    _show_all([{name: value for name, value in each.items() if name != "secret"} for each in found], wanted, COLUMNS)


@webhook.command()
@id_argument
@remote_options
def delete(webhook_id: str, **remote: Any) -> None:
    """Remove a webhook, and what waits for it.

    Example: export-center webhook delete wh-8e91aea1084a962e1c6f
    """
    with service(remote) as client:
        client.delete_webhook(webhook_id)
    note(f"removed {webhook_id}")


@webhook.command("dead-letters")
@id_argument
@remote_options
@format_option
def dead_letters(webhook_id: str, wanted: str | None, **remote: Any) -> None:
    """List messages that a webhook did not take, newest first.

    Example: export-center webhook dead-letters wh-8e91aea1084a962e1c6f
    """
    with service(remote) as client:
        found = [msgspec.to_builtins(each) for each in client.dead_letters(webhook_id)]
    _show_all(found, wanted, LETTERS)


@webhook.command()
@id_argument
@click.option("--message", "message_id", metavar="ID", type=TEXT, help="Only this dead letter.")
@remote_options
@format_option
def replay(webhook_id: str, message_id: str | None, wanted: str | None, **remote: Any) -> None:
    """Send dead letters again, all of them or one.

    Example: export-center webhook replay wh-8e91aea1084a962e1c6f
    """
    with service(remote) as client:
        show(msgspec.to_builtins(client.replay(webhook_id, message_id=message_id)), wanted)


def _show_all(found: list[dict[str, Any]], wanted: str | None, columns: tuple[str, ...]) -> None:
    def table() -> Any:
        from cli.tables import rows

        return rows(columns, ([item[name] for name in columns] for item in found))

    show(found, wanted, table=table)
