"""The rim: where settings, the clock and the environment are read, once, for the commands that need them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import UsageError
from cli.offline import check_key
from cli.output import note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundle.keys import PublicKey, Signer
    from evidence.store import Store
    from flows.settings import Settings

DEFAULT_KEY = "default"
SETTINGS_FILE = "export-center.toml"
ROOT = 0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def settings(flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings from flags, environment, export-center.toml and defaults."""
    from flows.settings import load_settings

    wanted = {name: value for name, value in (flags or {}).items() if value is not None}
    return load_settings(
        wanted,
        environ=os.environ,
        toml_path=settings_file(Path()),
        cpus=len(os.sched_getaffinity(0)),
    )


@cache
def settings_file(folder: Path) -> Path | None:
    """Return the whole path of the settings file of a folder, if it has one.

    It names keys and databases: in a folder where others write too, such as /tmp, one that somebody else put there is
    told of, and not obeyed. What root put there is.
    """
    file = folder / SETTINGS_FILE
    try:
        owners = {file.lstat().st_uid, file.stat().st_uid}
    except FileNotFoundError:
        return None
    if not owners <= {ROOT, os.geteuid()}:
        note(f"warning: {file} belongs to somebody else and is ignored")
        return None
    return file.absolute()


def now() -> datetime:
    """Return the time; the only clock of the command line."""
    return datetime.now(UTC)


def as_of(flag: str | None) -> str | None:
    """Return the time that stands for "now" in a bundle: the flag, else SOURCE_DATE_EPOCH, else None."""
    from evidence.times import format_time, parse_time

    if flag is not None:
        parsed = parse_time(flag)
        if parsed is None:
            raise UsageError(f"--as-of {flag!r} is no time", advice="Write it as 2026-01-31T12:00:00Z.")
        return format_time(parsed)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return None
    try:
        return format_time(EPOCH + timedelta(seconds=int(epoch, 10)))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}", advice="It holds whole seconds since 1970.") from error


def store_root(home: Path) -> str:
    """Return where the evidence store of a home lies."""
    return str(home / "evidence")


def open_store() -> Store:
    """Open the evidence store that the settings name."""
    from evidence.store import Store

    return Store(store_root(settings().home))


def made_home(home: Path) -> Path:
    """Return a home that is there: a new one is its owner's alone, and the rights of one that was there stay."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def key_folder(home: Path) -> Path:
    """Return where the keys of a home lie."""
    return home / "keys"


def key_uri(configured: str | None, home: Path) -> str:
    """Return the signing key's URI: the configured one, else that of the home's own key, made on first use, loudly."""
    if configured is not None:
        check_key(configured)
    uri = own_key_uri(_development_key(home)) if configured is None else configured
    warn_of_open_key(uri)
    return uri


@dataclass(frozen=True)
class FirstKey:
    """The home's own key before there is one: it is made when something is to be signed, and not for a run that fails.

    A ``bundle.keys.Signer``.
    """

    home: Path

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._made.public

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``."""
        return self._made.sign(data)

    @property
    def _made(self) -> Signer:
        from bundle.keys import signer_from_uri

        return signer_from_uri(own_key_uri(_development_key(self.home)))


def first_key(configured: str | None, home: Path) -> FirstKey | None:
    """Return the key that is still to be made; None when one is configured or was made."""
    made = configured is not None or os.path.lexists(key_folder(home) / f"{DEFAULT_KEY}.key")
    return None if made else FirstKey(home)


@cache
def warn_of_open_key(uri: str) -> None:
    """Say on standard error, once a process, that others may read or change the file of a private key."""
    from bundle.keyfiles import open_to_others

    if path := open_to_others(uri):
        note(f"warning: others may read or change the signing key {path}\n`chmod 600` it; who read it can sign as you.")


def own_key_uri(private: Path) -> str:
    """Return the URI of a private key's file."""
    return private.resolve().as_uri().replace("file://", "file:")


def _development_key(home: Path) -> Path:
    from bundle.errors import SigningError
    from bundle.keyfiles import save_key_pair
    from bundle.keys import generate_key_pair

    private = key_folder(home) / f"{DEFAULT_KEY}.key"
    if not private.exists():
        try:
            save_key_pair(key_folder(made_home(home)), DEFAULT_KEY, generate_key_pair("ecdsa-p256-sha256"))
        except SigningError:
            if not private.exists():
                raise
            return private  # another process made it meanwhile
        note(
            f"made a DEVELOPMENT signing key: {private}\n"
            "Receivers must get its .pub from you by a way they trust; use a managed key for real evidence."
        )
    return private
