"""Describing a run's result: the manifest, and the pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import zstandard

import web
from adapters.staged import stage_bytes
from bundle import __version__
from bundle.counting import listed
from bundle.frames import ZSTD
from bundle.manifest import (
    FORMAT,
    FORMAT_VERSION,
    Component,
    Counts,
    Manifest,
    Normaliser,
    ProfileFacts,
    Toolchain,
    content_digest_of,
    context_digest_of,
)
from evidence.times import format_time
from web.bundle_page import render
from web.facts import BundleFacts
from web.members import MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapters.adapter import Adapted, StagedMember
    from flows.pipeline import Parts
    from flows.planning import Plan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything of a bundle but its signatures: the manifest, and the files of its payload."""

    manifest: Manifest
    payload: tuple[StagedMember, ...]


def describe(plan: Plan, adapted: Adapted, parts: Parts, staging: Path) -> Draft:
    """Write the manifest's content, and the pages that show it."""
    facts = _facts(plan, adapted, parts)
    pages = _stage_pages(render(facts), staging)
    payload = (*pages, *adapted.data, *adapted.indexes)
    manifest = Manifest(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        profile=facts.profile,
        selectors=facts.selectors,
        as_of=facts.as_of,
        snapshot_digest=facts.snapshot_digest,
        content_digest=facts.content_digest,
        context_digest=facts.context_digest,
        policy_snapshot=facts.policy_snapshot,
        adapters=facts.adapters,
        normalisers=facts.normalisers,
        toolchain=facts.toolchain,
        members=[staged.member for staged in payload],
        counts=facts.counts,
    )
    return Draft(manifest=manifest, payload=payload)


def _facts(plan: Plan, adapted: Adapted, parts: Parts) -> BundleFacts:
    """Gather what the manifest and the pages say."""
    tally = adapted.tally
    members = [staged.member for staged in (*adapted.data, *adapted.indexes)]
    snapshot_digest = tally.snapshot.hexdigest()
    selectors, profile = plan.resolved_selectors(), _profile_facts(plan)
    return BundleFacts(
        profile=profile,
        selectors=selectors,
        as_of=plan.as_of or format_time(tally.newest or EPOCH),
        snapshot_digest=snapshot_digest,
        content_digest=content_digest_of(members),
        context_digest=context_digest_of(profile, selectors, snapshot_digest),
        policy_snapshot=adapted.policy,
        adapters=[Component(name=plan.adapter.name, version=plan.adapter.version, options={})],
        normalisers=[_normaliser(each) for each in sorted(tally.normalisers)],
        toolchain=_toolchain(plan),
        counts=_counts(adapted),
        members=members,
        key_id=parts.signer.public.key_id,
        algorithm=parts.signer.public.algorithm,
    )


def _profile_facts(plan: Plan) -> ProfileFacts:
    profile = plan.profile
    return ProfileFacts(
        id=profile.profile_id,
        revision=plan.profile_revision,
        kind=profile.kind,
        variant=profile.variant,
        include=sorted(profile.include),
        sha256=plan.profile_sha256,
        commit=plan.profile_commit,
    )


def _counts(adapted: Adapted) -> Counts:
    tally = adapted.tally
    return Counts(
        records=tally.records,
        by_kind=listed(tally.kinds),
        by_source=listed(tally.sources),
        by_format=listed(tally.formats),
        by_ecosystem=listed(tally.ecosystems),
        by_severity=listed(tally.severities),
        without_modified=tally.without_modified,
        findings_without_policy=tally.findings_without_policy,
    )


def _toolchain(plan: Plan) -> Toolchain:
    return Toolchain(
        export_center=__version__,
        libzstd=".".join(map(str, zstandard.ZSTD_VERSION)),
        zstd_parameters=",".join(f"{name}={value}" for name, value in ZSTD.items()),
        frame_minimum=plan.frames.minimum,
        frame_mean=plan.frames.mean,
        frame_maximum=plan.frames.maximum,
        viewer=web.VIEWER_VERSION,
    )


def _normaliser(name_and_version: str) -> Normaliser:
    name, _, version = name_and_version.rpartition("/")
    return Normaliser(name=name, version=version)


def _stage_pages(pages: dict[str, bytes], staging: Path) -> Sequence[StagedMember]:
    return [
        stage_bytes(
            data,
            staging / f"page-{position}",
            name=name,
            media_type=MEDIA_TYPES[name.rpartition(".")[2]],
        )
        for position, (name, data) in enumerate(pages.items())
    ]
