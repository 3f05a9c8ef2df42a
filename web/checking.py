"""How to verify a bundle with tools that are on every machine: the same steps on the page and in README.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from web.figures import visible

if TYPE_CHECKING:
    from web.facts import BundleFacts


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what it is for, what to type, and what a good answer looks like."""

    title: str
    text: str
    commands: tuple[str, ...]
    expect: str


KEY_NAMES = {"ecdsa-p256-sha256": "ECDSA P-256 with SHA-256", "ed25519": "Ed25519"}

SIGNED_LIST = (
    "tr '{' '\\n' < export.json"
    ' | sed -n \'s/.*"path":"\\([^"]*\\)".*"sha256":"\\([0-9a-f]\\{64\\}\\)".*/\\2  \\1/p\''
    " | sha256sum -c -"
)
"""Checks every member against export.json itself. Its keys are sorted, so ``path`` comes before ``sha256``."""

_ECDSA = 'openssl dgst -sha256 -verify "$KEY" -signature signature.bin export.json'
_ED25519 = 'openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in export.json -sigfile signature.bin'

_STATEMENT = "--bundle provenance.sigstore.json"
_COSIGN = '--key "$KEY" --insecure-ignore-tlog=true'
"""Without the second option cosign goes to the network for a public log that these signatures are not in."""


def algorithm_name(algorithm: str) -> str:
    """Return a signature algorithm as people write it."""
    return KEY_NAMES.get(algorithm, visible(algorithm))


def steps(facts: BundleFacts) -> tuple[Step, ...]:
    """Return the steps in the order a receiver takes them."""
    return (_unpack(), _key(facts.key_id), _signature(facts.algorithm), _members(), *_opened(facts), *_comfort())


def stock_steps() -> tuple[Step, ...]:
    """Return the steps for a bundle of which nothing is known: with either kind of key."""
    signatures = (
        replace(_signature(algorithm), title=f"Check the signature of export.json: {name}")
        for algorithm, name in KEY_NAMES.items()
    )
    return (_unpack(), *signatures, _members(), *_comfort())


def _unpack() -> Step:
    return Step(
        title="Unpack into a new folder",
        text="One of these, for the archive you received. A bundle that came as a folder needs no unpacking.",
        commands=(
            "mkdir bundle && tar --zstd -xf export.tar.zst -C bundle",
            "mkdir bundle && zstd -dc export.tar.zst | tar -xf - -C bundle",
            "unzip export.zip -d bundle",
        ),
        expect="Then work inside that folder: cd bundle",
    )


def _key(key_id: str) -> Step:
    return Step(
        title="Take a key you already trust",
        text="Ask the sender for the public key by another way than this bundle. The file cosign.pub in here is a "
        "convenience: whoever replaced the bundle would have replaced it too.",
        commands=("KEY=/path/to/trusted.pub", 'openssl pkey -pubin -in "$KEY" -outform DER | sha256sum'),
        expect=f"The key id must be {visible(key_id)}",
    )


def _signature(algorithm: str) -> Step:
    check = _ED25519 if algorithm == "ed25519" else _ECDSA
    answer = "Signature Verified Successfully" if algorithm == "ed25519" else "Verified OK"
    return Step(
        title="Check the signature of export.json",
        text="export.json is the signed list of everything in the bundle; export.json.sig is its signature.",
        commands=("base64 -d export.json.sig > signature.bin", check),
        expect=f"Expected answer: {answer}",
    )


def _members() -> Step:
    return Step(
        title="Check every member against the signed list",
        text="The first command reads the digests from export.json, so the signature covers them. The second is a "
        "quick check for damage on the way; checksums.txt itself is not signed.",
        commands=(SIGNED_LIST, "sha256sum -c checksums.txt"),
        expect="Every line must end in OK. A file in neither list, but for checksums.txt and your own signature.bin, "
        "does not belong to the bundle.",
    )


def _opened(facts: BundleFacts) -> tuple[Step, ...]:
    if facts.encryption is None:
        return ()
    return (
        Step(
            title="Open encrypted members",
            text="Integrity was checked without your age identity; reading the content needs it.",
            commands=("age -d -i identity.txt -o MEMBER MEMBER.age",),
            expect="The SHA-256 of what comes out is in export.json too.",
        ),
    )


def _comfort() -> tuple[Step, ...]:
    return (
        Step(
            title="Or with cosign",
            text="The first checks the signature of export.json, the second the statement of how it was made. Neither "
            "goes to the network.",
            commands=(
                f"cosign verify-blob {_COSIGN} --bundle export.json.sigstore.json export.json",
                f"cosign verify-blob-attestation {_COSIGN} --type slsaprovenance1 {_STATEMENT} export.json",
            ),
            expect="Expected answer: Verified OK, twice. Members are still to be checked against export.json.",
        ),
        Step(
            title="Or everything at once",
            text="The verifier reads the archive without unpacking it, and also refuses what the tools above let "
            "pass: added, renamed, repeated or reordered members and bytes between them.",
            commands=('export-center bundle verify export.tar.zst --key "$KEY"',),
            expect="Exit code 0 means verified, 3 that verification failed, 4 that the input could not be read.",
        ),
    )
