"""Where Prometheus finds the numbers: /metrics beside the API, or an address of their own."""

from __future__ import annotations

import ipaddress
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response
from starlette.routing import Route

from server.hosts import is_loopback, named_host
from server.metrics.ledger import MOST_NAMED, FromLedger
from server.metrics.process import PREFIX
from server.problems import FORBIDDEN, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric
    from starlette.requests import Request

    from server.egress import Network
    from server.service import Service


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Who gets the numbers.

    Attributes:
        networks: Whoever asks from there; without any, this machine alone.
        listen: Host and port of an address that tells nothing else; then the API's address does not tell them.
        named: So many tenants, and so many profiles, are told by name; the others together.
    """

    networks: tuple[Network, ...] = ()
    listen: tuple[str, int] | None = None
    named: int = MOST_NAMED


class Up:
    """Tells whether what the service stands on answers now."""

    def __init__(self, name: str, check: Callable[[], str | None]) -> None:
        """Take a check of `Service.ready`."""
        self._name, self._check = name, check

    def describe(self) -> Iterable[Metric]:
        """Return nothing: whoever registers this need not wait for an answer."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield 1 or 0."""
        up = GaugeMetricFamily(f"{PREFIX}{self._name}_up", f"Whether {self._name.capitalize()} answers.")
        up.add_metric((), self._check() is None)
        yield up


@contextmanager
def exposing(service: Service, wanted: Exposure) -> Iterator[tuple[Route, ...]]:
    """Tell the numbers of a service for as long as the block lasts; yield the routes that do so.

    Raises:
        OSError: Their own address cannot be listened on.
    """
    registry = service.meters.registry
    registry.register(FromLedger(service.ledger, service.clock, named=wanted.named))
    for name, check in service.ready.items():
        registry.register(Up(name, check))
    if wanted.listen is None:
        yield (route(service, wanted.networks),)
        return
    host, port = wanted.listen
    try:
        listener, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise OSError(error.errno, f"metrics cannot be told at {host}:{port}: {error.strerror}") from error
    try:
        yield ()
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def route(service: Service, networks: tuple[Network, ...]) -> Route:
    """Return the route that answers whoever may know."""

    def metrics(request: Request) -> Response:
        _require_near(request, networks)
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        headers = {"Content-Type": media_type, "Cache-Control": "no-store"}
        return Response(encode(service.meters.registry), headers=headers)

    return Route("/metrics", metrics)


def _require_near(request: Request, networks: tuple[Network, ...]) -> None:
    """Refuse whoever is not on this machine, nor in one of the networks.

    A page in a browser of this machine is not on it: it asks for this machine under a name of its own.

    Raises:
        Problem: That is so.
    """
    peer = request.client.host if request.client else ""
    host = named_host(request.headers.get("host", ""))
    if is_loopback(peer) and is_loopback(host):
        return
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        address = None
    if address is None or not any(address in network for network in networks):
        raise Problem(403, FORBIDDEN, "metrics are told to this machine only, unless --metrics-network says otherwise")
