"""The viewer's pages, each made of rows of the ledger, a bundle's manifest or a profile of the caller's tenant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bundle.envelope import KEY, MANIFEST
from bundle.errors import BundleError
from bundle.keys import load_public_key
from bundle.manifest import Manifest
from bundle.source import open_bundle
from ledger import distributions
from ledger.receipts import FINISHED
from server.bundles import held, held_in
from server.problems import INTERNAL, Problem
from server.routing import Scope
from server.run_facts import facts_of, receipt_of
from server.runs import find
from web import bundle_page, run_page, small_pages, trivy_report
from web.around import Around
from web.figures import visible
from web.layout import BundlePlace, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.context import Call
    from server.service import Service
    from server.sign_in import SignIn
    from web.trivy_report import TrivyReport

API = "api/export"
TITLES = {
    400: "This cannot be answered",
    401: "Nobody is signed in",
    403: "This is not for you",
    404: "There is nothing here",
    405: "Pages can only be read",
    409: "There is no bundle",
    422: "There is no bundle",
    503: "Not now",
}


def run(service: Service, call: Call) -> bytes:
    """Return the page of a run, with every event that it told so far."""
    run_id = call.params["runId"]
    layout = layout_of(service.sign_in, call.path, page="run", title=f"{run_id}: run")
    with service.ledger.reading() as connection:
        row = find(connection, call)
        targets = distributions.of_runs(connection, [run_id])[run_id]
        facts = facts_of(
            connection,
            row,
            now=call.now,
            bundle=f"{layout.root}bundles/{run_id}/index.html" if _is_held(row, targets) else None,
            may_cancel=Scope.RUN in call.caller.scopes,
        )
    return run_page.render(facts, layout)


def bundle(service: Service, call: Call) -> bytes:
    """Return the page of a run's bundle, as long as that lies here.

    Raises:
        Problem: There is no such run, or no bundle of it (as ``GET …/download`` says it).
    """
    run_id = call.params["runId"]
    row, target, path, targets = _held(service, call)
    found = Manifest.from_bytes(_read(service, call, path, MANIFEST))
    key = load_public_key(_read(service, call, path, KEY))
    layout = layout_of(service.sign_in, call.path, page="bundle", title=f"{visible(found.profile.id)}: evidence bundle")
    place = BundlePlace(
        name=run_id, url=f"{layout.api}/runs/{run_id}/download", layout=target["layout"], bytes=target["size_bytes"]
    )
    around = Around(
        sha256=target["sha256"],
        run=f"{layout.root}runs/{run_id}/index.html",
        profile=f"{layout.root}profiles/{row['profile_base']}/index.html",
        receipts=tuple(map(receipt_of, targets)),
        trivy=_trivy(service, call, path, found),
        file=f"export-{run_id}.{target['layout']}",
    )
    return bundle_page.in_site(found, replace(layout, bundle=place), around, key=(key.key_id, key.algorithm))


def _trivy(service: Service, call: Call, path: Path, found: Manifest) -> TrivyReport | None:
    """Return the report of a Trivy database; None for other bundles."""
    member = trivy_report.member_of(found.members)
    return None if member is None else trivy_report.read(_read(service, call, path, member.path))


def manifest(service: Service, call: Call) -> bytes:
    """Return export.json of a run's bundle, which pages that compare bundles read. Raises as ``bundle``."""
    return _read(service, call, held(service, call)[1], MANIFEST)


def _held(service: Service, call: Call) -> tuple[Mapping[str, Any], Mapping[str, Any], Path, list[Mapping[str, Any]]]:
    """Return a run, the target that holds its bundle here, the bundle's path, and all targets."""
    with service.ledger.reading() as connection:
        target, path = held_in(connection, call)
        row = find(connection, call)
        return row, target, path, distributions.of_runs(connection, [row["run_id"]])[row["run_id"]]


def _read(service: Service, call: Call, path: Path, name: str) -> bytes:
    """Return a member of a bundle."""
    try:
        return open_bundle(path).read(name)
    except (OSError, BundleError) as error:
        # Its time may have been over after the ledger had been asked: then this says so.
        held(service, call)
        raise Problem(500, INTERNAL, f"the bundle of {call.params['runId']} cannot be read") from error


def shell(sign_in: SignIn, path: str, *, page: str = "shell", nonce: str = "") -> bytes:
    """Return the page that signs people in, whatever they asked for; ``nonce`` is for the proof that it makes."""
    layout = layout_of(sign_in, path, page=page, title="Export Center")
    return small_pages.shell(replace(layout, auth=sign_in.told(nonce)))


def refusal(sign_in: SignIn | None, path: str, problem: Problem, trace: str) -> bytes:
    """Return what people read when there is no page for them."""
    title = TITLES.get(problem.status, "Something went wrong here")
    layout = layout_of(sign_in, path, page="message", title=title)
    return small_pages.message(layout, title=title, text=sentence(problem.message), trace=trace)


def layout_of(sign_in: SignIn | None, path: str, *, page: str, title: str, bundle: BundlePlace | None = None) -> Layout:
    """Return what lies around a page; links are relative to its path, for gateways may put something before it."""
    root = "../" * (path.count("/") - 1)
    return Layout(
        mode="served",
        page=page,
        title=title,
        root=root,
        api=f"{root}{API}",
        bundle=bundle,
        auth=None if sign_in is None else sign_in.told(),
        connect=() if sign_in is None else (sign_in.origin,),
    )


def sentence(text: str) -> str:
    """Return a message of the API as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _is_held(row: Mapping[str, Any], targets: list[Mapping[str, Any]]) -> bool:
    """Whether a run's bundle lies here."""
    return row["status"] == "success" and any(each["state"] == FINISHED and each["path"] for each in targets)
