"""Every endpoint of the API."""

from __future__ import annotations

from server import answers, bundles, downloads, dry_runs, profiles, retries, runs, streaming, tickets, webhooks
from server.models import CancelRequest, ProfileFields, ReplayRequest, RunRequest, WebhookRequest
from server.reference import with_reference
from server.routing import Endpoint, Scope
from server.service import BASE

RUN = f"{BASE}/runs/{{runId}}"
PROFILE = f"{BASE}/profiles/{{profileId}}"
WEBHOOK = f"{BASE}/webhooks/{{webhookId}}"

_ROWS = (
    Endpoint(
        method="GET", path=f"{BASE}/runs", handler=runs.list_runs, scope=Scope.READ, section="4.2",
        summary="List runs, newest first.",
        response=answers.RunPage,
    ),
    Endpoint(
        method="POST", path=f"{BASE}/runs", before=runs.prepare, handler=runs.take, scope=Scope.RUN, section="4.1",
        mutation=True,
        summary="Submit an export run.", request=RunRequest, status=202, waits=True,
        response=answers.SubmittedRun,
    ),
    Endpoint(
        method="POST", path=f"{BASE}/runs:plan", handler=dry_runs.plan, scope=Scope.RUN, is_async=True,
        summary="Count what a run would take.", request=RunRequest,
        response=answers.Plan,
    ),
    Endpoint(
        method="GET", path=RUN, handler=runs.show, scope=Scope.READ, section="4.3", summary="Show a run.",
        waits=True,
        response=answers.Run,
    ),
    Endpoint(
        method="POST", path=f"{RUN}:retry", before=retries.prepare, handler=runs.take, scope=Scope.RUN,
        mutation=True, status=202,
        summary="Do a run that failed or was canceled once more.",
        response=answers.SubmittedRun,
    ),
    Endpoint(
        method="POST", path=f"{RUN}:ticket", handler=tickets.issue, scope=Scope.DOWNLOAD, mutation=True, status=201,
        summary="Make an address that gives the bundle to whoever holds it, for ten minutes.",
        response=answers.Ticket,
    ),
    Endpoint(
        method="GET", path=f"{BASE}/tickets/{{ticket}}", handler=tickets.redeem, scope=None, streams=True,
        summary="Download what a ticket stands for.",
    ),
    Endpoint(
        method="GET", path=f"{BASE}/profiles", handler=profiles.list_profiles, scope=Scope.READ, section="3.1",
        summary="List profiles, by id.", response=answers.ProfilePage,
    ),
    Endpoint(
        method="POST", path=f"{BASE}/profiles", before=profiles.create, handler=profiles.created, scope=Scope.MANAGE,
        section="3.3",
        summary="Create a profile.", mutation=True, status=201, request=ProfileFields,
        response=answers.ProfileState,
    ),
    Endpoint(
        method="GET", path=PROFILE, handler=profiles.show, scope=Scope.READ, section="3.2",
        summary="Show a profile, or one revision of it.", response=answers.Profile,
    ),
    Endpoint(
        method="PATCH", path=PROFILE, before=profiles.update, handler=profiles.updated, scope=Scope.MANAGE,
        section="3.4", mutation=True,
        summary="Change fields of a profile.", request=ProfileFields, response=answers.PatchedProfile,
    ),
    Endpoint(
        method="POST", path=f"{PROFILE}:archive", before=profiles.archive, handler=profiles.archived,
        scope=Scope.MANAGE, section="3.5",
        summary="Take a profile out of use.", mutation=True, response=answers.ProfileState,
    ),
    Endpoint(
        method="POST", path=f"{PROFILE}:restore", before=profiles.restore, handler=profiles.restored,
        scope=Scope.MANAGE, section="3.5",
        summary="Take a profile into use again.", mutation=True, response=answers.ProfileState,
    ),
    Endpoint(
        method="GET", path=f"{PROFILE}/latest", handler=bundles.latest, scope=Scope.READ,
        summary="Show the newest good bundle of a profile.",
        response=answers.Latest,
    ),
    Endpoint(
        method="POST", path=f"{RUN}:cancel", handler=runs.cancel, scope=Scope.RUN, section="4.4", mutation=True,
        summary="Cancel a run.", request=CancelRequest, status=202,
        response=answers.CanceledRun,
    ),
    Endpoint(
        method="GET", path=f"{RUN}/events", handler=streaming.events_of, scope=Scope.READ, section="5.1", streams=True,
        summary="Follow a run's events, or read them as NDJSON.",
    ),
    Endpoint(
        method="GET", path=f"{RUN}/download", handler=downloads.download, scope=Scope.DOWNLOAD, section="6.1",
        streams=True, summary="Download the bundle.",
    ),
    Endpoint(
        method="GET", path=f"{RUN}/manifest", handler=bundles.manifest, scope=Scope.DOWNLOAD, section="6.2",
        summary="Read the signed manifest, or its signature.",
        response=answers.SignedDocument,
    ),
    Endpoint(
        method="GET", path=f"{RUN}/provenance", handler=bundles.provenance, scope=Scope.DOWNLOAD, section="6.3",
        summary="Read the signed provenance, or its signature.",
        response=answers.SignedDocument,
    ),
    Endpoint(
        method="GET", path=f"{RUN}/distributions", handler=bundles.list_distributions, scope=Scope.READ,
        section="6.4", summary="List every registered target of a run.",
        response=answers.DistributionList,
    ),
    Endpoint(
        method="GET", path=f"{BASE}/webhooks", handler=webhooks.list_webhooks, scope=Scope.MANAGE, section="7",
        summary="List webhooks, newest first.",
        response=answers.WebhookPage,
    ),
    Endpoint(
        method="POST", path=f"{BASE}/webhooks", handler=webhooks.create, scope=Scope.MANAGE, section="7", mutation=True,
        summary="Register a webhook.", request=WebhookRequest, status=201,
        response=answers.CreatedWebhook,
    ),
    Endpoint(
        method="GET", path=WEBHOOK, handler=webhooks.show, scope=Scope.MANAGE, section="7",
        summary="Show a webhook, and how it fares.",
        response=answers.Webhook,
    ),
    Endpoint(
        method="DELETE", path=WEBHOOK, handler=webhooks.remove, scope=Scope.MANAGE, section="7", mutation=True,
        summary="Remove a webhook and what waits for it.", status=204,
    ),
    Endpoint(
        method="GET", path=f"{WEBHOOK}/dead-letters", handler=webhooks.list_dead_letters, scope=Scope.MANAGE,
        section="7", summary="List messages that a webhook did not take, newest first.",
        response=answers.DeadLetterPage,
    ),
    Endpoint(
        method="POST", path=f"{WEBHOOK}:replay", handler=webhooks.replay, scope=Scope.MANAGE, section="7",
        mutation=True, summary="Send dead letters again, one or all.", request=ReplayRequest, status=202,
        response=answers.Replayed,
    ),
    Endpoint(
        method="POST", path=f"{WEBHOOK}:ping", handler=webhooks.ping, scope=Scope.MANAGE, section="7", mutation=True,
        summary="Send a message that tells nothing, to try a webhook out.", status=202,
        response=answers.Pinged,
    ),
    Endpoint(
        method="POST", path=f"{WEBHOOK}:enable", handler=webhooks.enable, scope=Scope.MANAGE, section="7",
        mutation=True,
        summary="Send to a webhook again that was disabled.",
        response=answers.Webhook,
    ),
)  # fmt: skip

ENDPOINTS = with_reference(_ROWS)
