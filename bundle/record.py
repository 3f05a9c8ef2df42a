"""The line of a record: its fields, and the one form in which they are written."""

from __future__ import annotations

import json
import re

import msgspec

from bundle.manifest import INSTANT


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields of a record's line."""

    content: msgspec.Raw
    ecosystems: list[str]
    format: str
    id: str
    kind: str
    locator: str
    modified: str | None
    observation_id: str
    purls: list[str]
    sha256: str
    source: str
    subject: str | None
    tenant: str
    policy_snapshot_id: str | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def key(self) -> dict[str, str]:
        """The parts of the logical key, by the names that ``bundle.digests`` gives them."""
        return {
            "tenant": self.tenant,
            "source": self.source,
            "kind": self.kind,
            "upstream_id": self.id,
            "locator": self.locator,
        }

    @property
    def lists_are_sorted(self) -> bool:
        """Whether ``ecosystems`` and ``purls`` are sorted and name nothing twice."""
        return all(values == sorted(set(values)) for values in (self.ecosystems, self.purls) if values)

    @property
    def time_is_canonical(self) -> bool:
        """Whether ``modified`` is in the form in which times are written, or absent."""
        return self.modified is None or _INSTANT.search(self.modified) is not None


_INSTANT = re.compile(INSTANT)
FIELDS = tuple((field.encode_name, field.name) for field in msgspec.structs.fields(Envelope))


def canonical_line(record: Envelope) -> bytes:
    """Return the one line that states a record: canonical JSON, but for the document that is copied into it."""
    found = {field: getattr(record, name) for field, name in FIELDS}
    values = {field: value for field, value in found.items() if value is not msgspec.UNSET}
    del values["content"]
    rest = json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return b"".join((b'{"content":', bytes(record.content), b",", rest[1:], b"\n"))
