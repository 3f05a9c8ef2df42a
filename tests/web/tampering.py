"""A genuine bundle as a list of members, and what can be done to it: packed again, signed again, altered."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from bundle import seekable, tar, ziplayout
from bundle.canonical import canonical_json
from bundle.dsse import IN_TOTO, envelope, pae
from bundle.ecdsa import ORDER
from bundle.envelope import CHECKSUMS, FIRST, KEY, LAST, checksums, sign_envelope
from bundle.errors import BundleError
from bundle.keys import FileSigner
from bundle.manifest import Manifest, Member, content_digest_of
from bundle.sigstore import dsse_bundle
from bundle.source import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bundle.keys import Signer

Members = list[tuple[str, bytes]]


def members_of(path: Path) -> Members:
    """Return all members of a bundle, in order."""
    reader = open_bundle(path)
    return [(name, reader.read(name)) for name in reader.names]


def new_signer(algorithm: str) -> Signer:
    """Return a signer with a key of its own."""
    if algorithm == "ed25519":
        return FileSigner(ed25519.Ed25519PrivateKey.generate())
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


def as_tar(members: Members) -> bytes:
    """Return members as a ``.tar.zst``."""
    plain = b"".join(tar.header(name, len(data)) + data + tar.padding(len(data)) for name, data in members) + tar.END
    chunks = [plain[start : start + seekable.CHUNK] for start in range(0, len(plain), seekable.CHUNK)]
    return b"".join(map(seekable.frame, chunks)) + seekable.seek_table(len(plain))


def as_zip(members: Members) -> bytes:
    """Return members as a ``.zip``."""
    data, entries = b"", []
    for name, content in members:
        entries.append(ziplayout.Entry(name, len(content), zlib.crc32(content), len(data)))
        data += ziplayout.local_header(name, len(content), zlib.crc32(content)) + content
    return data + ziplayout.directory(entries, len(data))


def write(path: Path, members: Members) -> None:
    """Write members as a ``.tar.zst``, a ``.zip`` or, without a suffix, a folder."""
    if path.suffix in {".zst", ".zip"}:
        path.write_bytes(as_zip(members) if path.suffix == ".zip" else as_tar(members))
        return
    for name, data in members:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def replaced(members: Members, changes: dict[str, bytes]) -> Members:
    """Return members with other content; the rest as it is."""
    return [(name, changes.get(name, data)) for name, data in members]


def flipped(data: bytes, place: int) -> bytes:
    """Return bytes with one bit turned."""
    found = bytearray(data)
    found[place] ^= 1
    return bytes(found)


def signed(
    members: Members, signer: Signer, *, change: Callable[[dict[str, Any]], None] = lambda _: None, **payload: bytes
) -> Members:
    """Return the members signed by another key, after changes that this key's owner made himself.

    Args:
        members: Of a genuine bundle.
        signer: Whose bundle it becomes.
        change: Alters the values of export.json, when its members are listed as they are now.
        payload: Other content of payload members, by their names.
    """
    kept = [(name, payload.get(name, data)) for name, data in members if name not in {*FIRST, *LAST}]
    values = json.loads(dict(members)["export.json"])
    for listed in values["members"]:
        data = dict(kept)[listed["path"]]
        listed.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    values["contentDigest"] = _content_digest(values["members"])
    change(values)
    data = canonical_json(values)
    return sealed(data, kept, signer)


def _content_digest(listed: list[dict[str, Any]]) -> str:
    words = {"mediaType": "media_type", "plainBytes": "plain_bytes", "framesSha256": "frames_sha256"}
    return content_digest_of([Member(**{words.get(name, name): each[name] for name in each}) for each in listed])


def sealed(data: bytes, payload: Members, signer: Signer) -> Members:
    """Return the members of a bundle with these bytes as export.json, signed, whatever they are."""
    line = base64.b64encode(signer.sign(data)) + b"\n"
    try:
        files = sign_envelope(Manifest.from_bytes(data), signer)
    except BundleError:  # what no manifest can say is refused before the rest of the envelope is looked at
        files = {**dict.fromkeys(FIRST, b""), KEY: signer.public.pem}
    files |= {"export.json": data, "export.json.sig": line}
    return summed([(name, files[name]) for name in FIRST] + payload, files[KEY])


def summed(members: Members, pem: bytes) -> Members:
    """Return members with checksums.txt and cosign.pub behind them."""
    whole = [*members, (KEY, pem)]
    listed = checksums({name: hashlib.sha256(data).hexdigest() for name, data in whole})
    return [*members, (CHECKSUMS, listed), (KEY, pem)]


def other_half(signature: bytes) -> bytes:
    """Return the other signature that verifies as well: (r, n - s)."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def other_statement(members: Members, signer: Signer) -> Members:
    """Return members with another statement than provenance.json in the envelopes, signed by the same key."""
    payload = b"{}"
    signature = signer.sign(pae(IN_TOTO, payload))
    dsse = canonical_json(envelope(payload, signature))
    bundle = dsse_bundle(payload, signature, signer.public)
    return replaced(members, {"provenance.dsse.json": dsse, "provenance.sigstore.json": bundle})
