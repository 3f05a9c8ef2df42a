"""The rules of profiles that go beyond types: which values make sense together.

Each check takes a profile and yields problems; ``CHECKS`` is the whole list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import msgspec

from flows.criteria import selector_problems
from flows.shapes import Problem, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flows.profiles import Profile

RECORDS = frozenset({"advisories", "vex", "sboms"})
INCLUDABLE: Mapping[str, frozenset[str]] = {
    "json:raw": RECORDS,
    "json:policy": RECORDS | {"policy"},
    "trivy:db": frozenset({"advisories"}),
    "trivy:java-db": frozenset({"advisories", "sboms"}),
    "mirror:full": RECORDS | {"policy"},
    "mirror:delta": RECORDS | {"policy"},
}
"""The profiles there are, as kind:variant, and what each can include."""

ADAPTER_OPTIONS: Mapping[str, frozenset[str]] = {pair: frozenset() for pair in INCLUDABLE}
"""The options each adapter takes. An option that nobody reads is an error, not a wish."""

MAX_RETENTION = 36_500

_AGE = re.compile(r"age1[0-9a-z]+")
_X25519 = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_AGE_PLUGIN = re.compile(r"age1[0-9a-z]+1[02-9ac-hj-np-z]{6,}")
_SSH = re.compile(r"ssh-(ed25519|rsa) [A-Za-z0-9+/]+={0,2}( .*)?")
_ELLIPSIS = "..."

_CRON_PART = re.compile(r"(?P<low>\*|\d{1,2}|[A-Z]{3})(-(?P<high>\d{1,2}|[A-Z]{3}))?(/(?P<step>[1-9]\d?))?", re.ASCII)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class CronField(msgspec.Struct, frozen=True):
    """One of the five fields of a cron line: its range, and the words that stand for numbers from ``least`` on."""

    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


CRON_FIELDS = (
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day of month", 1, 31),
    CronField("month", 1, 12, _MONTHS),
    CronField("day of week", 0, 7, _DAYS),
)


def semantic_problems(profile: Profile) -> Iterator[Problem]:
    """Yield every rule that a well-formed profile breaks."""
    for check in CHECKS:
        yield from check(profile)


def _pair(profile: Profile) -> Iterator[Problem]:
    if profile.pair not in INCLUDABLE:
        variants = sorted(pair.split(":")[1] for pair in INCLUDABLE if pair.startswith(f"{profile.kind}:"))
        yield Problem(("variant",), f"{profile.kind} has no variant {profile.variant!r}; it has {', '.join(variants)}")


def _include(profile: Profile) -> Iterator[Problem]:
    allowed = INCLUDABLE.get(profile.pair)
    for position, item in enumerate(profile.include):
        if item in profile.include[:position]:
            yield Problem(("include", position), f"{item} is listed twice")
        elif allowed is not None and item not in allowed:
            yield Problem(
                ("include", position), f"{profile.pair} cannot include {item}; it can {', '.join(sorted(allowed))}"
            )


def _distribution(profile: Profile) -> Iterator[Problem]:
    for position, item in enumerate(profile.distribution):
        if item in profile.distribution[:position]:
            yield Problem(("distribution", position), f"{item} is listed twice")


def _policy_mode(profile: Profile) -> Iterator[Problem]:
    allowed = INCLUDABLE.get(profile.pair, frozenset({"policy"}))
    if profile.policy_snapshot_mode != "none" and "policy" not in allowed:
        yield Problem(("policySnapshotMode",), f"{profile.pair} carries no policy; expected none")


def _encryption(profile: Profile) -> Iterator[Problem]:
    encryption = profile.encryption
    if encryption.enabled and not encryption.recipient_keys:
        yield Problem(("encryption", "recipientKeys"), "encryption is enabled, but nobody could decrypt; name a key")
    if encryption.strict and not encryption.enabled:
        yield Problem(("encryption", "strict"), "strict has no effect while encryption is not enabled")
    for position, key in enumerate(encryption.recipient_keys):
        message = _recipient_message(key)
        if message:
            yield Problem(("encryption", "recipientKeys", position), message)


def _recipient_message(key: str) -> str:
    """Return what is wrong with a recipient, or an empty text. The key itself is decoded when a run is planned."""
    if key.startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in key:
        return "this is a secret key: remove it from the file, make a new one, and name its public half (age1...)"
    if _SSH.fullmatch(key) or _AGE.fullmatch(key.removesuffix(_ELLIPSIS)):
        return ""
    return "expected a public key: age1..., ssh-ed25519 ... or ssh-rsa ..."


def doubtful_recipients(profile: Profile) -> Iterator[Problem]:
    """Yield keys that begin like an age key but are not complete: for lint, which may say more than loading does."""
    for position, key in enumerate(profile.encryption.recipient_keys):
        looks_right = _X25519.fullmatch(key) or _AGE_PLUGIN.fullmatch(key) or _SSH.fullmatch(key)
        if not looks_right and not _recipient_message(key):
            message = "this is no complete age key: age1 and 58 more characters are expected"
            yield Problem(("encryption", "recipientKeys", position), message)


def doubtful_schedule(profile: Profile) -> Iterator[Problem]:
    """Yield a schedule whose runs all fail: also for lint alone, for by hand the profile runs well."""
    if profile.schedule is not None and profile.policy_snapshot_mode == "required":
        message = (
            "runs by schedule name no policy snapshot, which policySnapshotMode requires; optional would let them run"
        )
        yield Problem(("schedule",), message)


def _retention(profile: Profile) -> Iterator[Problem]:
    mode, value = profile.retention.mode, profile.retention.value
    if mode == "forever":
        if value is not None:
            yield Problem(("retention", "value"), "mode forever takes no value")
    elif value is None:
        yield Problem(("retention", "value"), f"mode {mode} needs a value")
    elif not 1 <= value <= MAX_RETENTION:
        yield Problem(("retention", "value"), f"expected 1 to {MAX_RETENTION} {mode}, got {value}")


def _schedule(profile: Profile) -> Iterator[Problem]:
    if profile.schedule is None:
        return
    if profile.schedule.timezone not in available_timezones():
        message = f"{profile.schedule.timezone!r} is no time zone of the IANA database"
        yield Problem(("schedule", "timezone"), message)
    parts = profile.schedule.cron.split()
    if len(parts) != len(CRON_FIELDS):
        names = ", ".join(field.name for field in CRON_FIELDS)
        yield Problem(("schedule", "cron"), f"expected 5 fields ({names}), got {len(parts)}")
        return
    for field, part in zip(CRON_FIELDS, parts, strict=True):
        if not all(_cron_fits(field, each) for each in part.split(",")):
            yield Problem(("schedule", "cron"), f"{part!r} is no {field.name} ({field.least} to {field.most})")


def _cron_fits(field: CronField, part: str) -> bool:
    found = _CRON_PART.fullmatch(part.upper())
    if found is None or (found["low"] == "*" and found["high"]):
        return False
    ends = [_cron_number(field, each) for each in (found["low"], found["high"]) if each and each != "*"]
    return all(field.least <= each <= field.most for each in ends) and ends == sorted(ends)


def _cron_number(field: CronField, text: str) -> int:
    """Return a number or the number a word stands for; -1, which no field takes, for an unknown word."""
    if text.isdecimal():
        return int(text)
    return field.words.index(text) + field.least if text in field.words else -1


def _adapter_options(profile: Profile) -> Iterator[Problem]:
    known = ADAPTER_OPTIONS.get(profile.pair)
    for name in profile.adapter_options:
        if known is not None and name not in known:
            yield Problem(("adapterOptions", name), f"{profile.pair} has no such option{suggestion(name, known)}")


def _selectors(profile: Profile) -> Iterator[Problem]:
    for problem in selector_problems(msgspec.to_builtins(profile.selectors)):
        yield problem.under("selectors")


CHECKS: tuple[Callable[[Profile], Iterator[Problem]], ...] = (
    _pair,
    _include,
    _distribution,
    _policy_mode,
    _encryption,
    _retention,
    _schedule,
    _adapter_options,
    _selectors,
)
