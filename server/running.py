"""The service on one machine: the application, its engine, and Prefect beside it."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import Response
from starlette.routing import Route

from flows.profile_store import ProfileStore
from flows.targets.staging import Staging
from ledger.database import open_ledger
from ledger.proofs import SharedReplays
from ledger.vault import open_vault
from server.app import make_app
from server.auth.authenticator import Authenticator
from server.auth.fetching import fetcher
from server.auth.gate import Gate
from server.auth.jwks import JwksCache
from server.context import JSON, dumps
from server.delivery import Delivery
from server.deployments import Deployments, Ground
from server.egress import Egress
from server.embedded import RUN, Embedded, kept_port, kept_secret
from server.engine import Engine, Surroundings
from server.metrics.page import Exposure, exposing
from server.metrics.process import Meters
from server.open_door import WARNING, OpenDoor, require_loopback
from server.outdated import Declared
from server.prefect_api import PrefectApi
from server.retention import Keeper
from server.sending import Sender
from server.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from ledger.database import Ledger
    from server.auth.settings import AuthSettings
    from server.service import Authenticate
    from server.sign_in import SignIn

LOG = logging.getLogger("export_center.server")
GRACE_SECONDS = 5
OWNER_ONLY = 0o077
VAULT_KEY = "webhooks.key"
BUNDLES = "bundles"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What the service is to be.

    Attributes:
        home: Folder of all state.
        environ: The environment of runs: what their processes find this installation by.
        ledger: Its address.
        profiles: Folder of the git repository of tenants' profiles.
        host: Address to listen on.
        port: Port to listen on.
        prefect: API of a Prefect server that is there already; None to run one beside.
        auth: Whose tokens are accepted; None for no authentication, which only loopback addresses may have.
        subject: Who callers are while authentication is off.
        tenant: Whose things, when a request names nobody.
        egress: What webhooks may reach.
        metrics: Who is told numbers.
        origins: Whose pages may call the API, as browsers send it in Origin.
        outdated: Which routes and profiles are out of date.
        sign_in: How people sign in who use the viewer; None where nobody does.
    """

    home: Path
    environ: Mapping[str, str]
    ledger: str
    profiles: Path
    host: str
    port: int
    prefect: str | None
    auth: AuthSettings | None
    subject: str
    tenant: str
    egress: Egress = field(default_factory=Egress)
    metrics: Exposure = field(default_factory=Exposure)
    origins: frozenset[str] = frozenset()
    outdated: Declared = field(default_factory=Declared)
    sign_in: SignIn | None = None


def serve(wanted: Serving) -> None:
    """Serve until the process is told to end.

    Raises:
        Problem: Authentication is off on an address that others reach.
        LedgerError: The ledger cannot be opened.
    """
    # What lies in a home is of all tenants; the processes that are started here inherit this.
    os.umask(OWNER_ONLY)
    if wanted.auth is None:
        require_loopback(wanted.host)
        LOG.warning("%s", WARNING)
    with _parts(wanted) as app:
        config = uvicorn.Config(
            app,
            host=wanted.host,
            port=wanted.port,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
            date_header=True,
        )
        _end_quietly()
        uvicorn.Server(config).run()


def _end_quietly() -> None:
    """Let a signal end the service, and nothing more: uvicorn raises it again when all is closed.

    A handler that does nothing, rather than none: processes that are started meanwhile would ignore signals too.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


@contextmanager
def _parts(wanted: Serving) -> Iterator[ASGIApp]:
    """Start what stands around the application, and end it afterwards."""
    with ExitStack() as stack:
        meters = Meters()
        ledger = open_ledger(wanted.ledger, timed=meters.transaction)
        stack.callback(ledger.close)
        vault = open_vault(wanted.home / VAULT_KEY)
        authenticate = _door(wanted, ledger, meters)
        profiles = stack.enter_context(ProfileStore(wanted.profiles))
        profiles.seed(datetime.now(UTC))
        prefect, around = _prefect(wanted, stack)
        delivery = Delivery(ledger, vault, Sender(egress=wanted.egress), clock, meters=meters)
        delivery.start()
        stack.callback(delivery.stop)
        keeper = Keeper(ledger, wanted.home / BUNDLES, clock, meters=meters)
        keeper.start()
        stack.callback(keeper.stop)
        # Ended first: what is handed to an engine that is about to end may be lost there.
        ground = Ground(tenant=wanted.tenant, command=prefect.command)
        deployments = Deployments(prefect, profiles, ground, clock)
        engine = Engine(ledger, prefect, deployments, clock, meters=meters, surroundings=around)
        engine.start()
        stack.callback(engine.stop)
        service = Service(
            ledger=ledger,
            profiles=profiles,
            authenticate=authenticate,
            bundles=wanted.home / BUNDLES,
            clock=clock,
            store=str(wanted.home / "evidence"),
            vault=vault,
            egress=wanted.egress,
            origins=wanted.origins,
            outdated=wanted.outdated,
            sign_in=wanted.sign_in,
            meters=meters,
            ready={"prefect": prefect.is_ready},
        )
        told = stack.enter_context(exposing(service, wanted.metrics))
        yield make_app(service, more=(*_health(service), *told))


def _prefect(wanted: Serving, stack: ExitStack) -> tuple[PrefectApi, Surroundings]:
    """Return the Prefect that there is, or start one that ends with the stack; and what is known around it.

    Workers of a Prefect that was there already are others'.
    """
    clean = partial(_clean, wanted.home / BUNDLES)
    if wanted.prefect is not None:
        prefect = PrefectApi(wanted.prefect, secret=wanted.environ.get("PREFECT_API_AUTH_STRING"))
        stack.callback(prefect.close)
        return prefect, Surroundings(clean=clean)
    port = kept_port(wanted.home)
    prefect = PrefectApi(f"http://127.0.0.1:{port}/api", secret=kept_secret(wanted.home), command=RUN)
    stack.callback(prefect.close)
    embedded = Embedded(wanted.home, wanted.environ, port=port, ready=lambda: prefect.is_ready() is None)
    embedded.start()
    stack.callback(embedded.stop)

    def clean_all(run: Mapping[str, Any]) -> None:
        clean(run)
        embedded.forget(run)

    known = Surroundings(
        workers_since=embedded.workers_since, is_dead=embedded.is_dead, is_alive=embedded.is_alive, clean=clean_all
    )
    return prefect, known


def _clean(bundles: Path, run: Mapping[str, Any]) -> None:
    """Remove what the process of a run left that ended without it."""
    with suppress(OSError):  # the keeper tries again
        Staging(bundles / run["tenant"]).clear(run["run_id"])


def _door(wanted: Serving, ledger: Ledger, meters: Meters) -> Authenticate:
    if wanted.auth is None:
        return OpenDoor(subject=wanted.subject, tenant=wanted.tenant)
    keys = JwksCache(fetcher(wanted.auth.jwks_uri), told=meters.keys_fetched)
    known = Authenticator(wanted.auth, find_key=keys.find, replays=SharedReplays(ledger))
    return Gate(known, refused=meters.auth_refused)


def _health(service: Service) -> tuple[Route, ...]:
    def healthz(request: Request) -> Response:
        return _told(request, 200, {"status": "ok"})

    def readyz(request: Request) -> Response:
        checks: dict[str, Callable[[], str | None]] = dict(service.ready)
        found = {name: check() for name, check in checks.items()}
        wrong = {name: why for name, why in found.items() if why is not None}
        status = 503 if wrong else 200
        return _told(request, status, {"status": "unavailable" if wrong else "ok", "checks": found})

    return Route("/healthz", healthz), Route("/readyz", readyz)


def _told(request: Request, status: int, body: Mapping[str, Any]) -> Response:
    """Return JSON as all of the service's is."""
    content = dumps({**body, "traceId": request.scope["state"]["trace"].id})
    return Response(content, status, {"Content-Type": JSON, "Cache-Control": "no-store"})


def clock() -> int:
    """Return the time, in microseconds since the epoch: the only clock of the service."""
    return time.time_ns() // 1000
