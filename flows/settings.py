"""Settings: where this installation keeps its state and how it works, each value with the place it came from.

Flags go before ``EXPORT_CENTER_*`` variables, these before export-center.toml, that before defaults. An empty variable
counts as unset. The environment is handed in: only the rim reads it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flows.errors import Detail, ValidationError
from flows.serve_settings import SERVE_SETTINGS, ServeSettings
from flows.setting_rules import Origin, Rule, folder, matching, number
from flows.shapes import suggestion
from flows.sources.declared import Sources, parse_sources
from flows.tenants import TENANT

PREFIX = "EXPORT_CENTER_"
MASK = "***"

SERVER = "http://127.0.0.1:8321"
"""Where `serve` listens unless told otherwise."""

MAX_WORKERS = 1024
MEMORY_LIMIT = r"[1-9][0-9]*(\.[0-9]+)? ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
"""Amounts of memory, as DuckDB reads them."""

_KEY = re.compile(r"[a-z][a-z0-9+.-]+:.+", re.ASCII | re.DOTALL)
_SERVER = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_SECRET = re.compile(r"(?P<name>\b(pin-value|pin|secret|password|auth)=)[^&;?]*", re.IGNORECASE)
_USER = re.compile(r"//[^/@]+@")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force.

    Attributes:
        home: Folder of all state: evidence, keys, ledger, bundles.
        tenant: Whose evidence, when nobody says.
        key: URI of the signing key; None for the home's own key, ``keys/default.key``.
        workers: Threads that compress, hash and query.
        memory_limit: What DuckDB may use, as in "512MB".
        profiles: Folder of the git repository of tenants' profiles; None for ``profiles`` of the home.
        serve: What the service is to be.
        server: Address of the service that ``run`` and ``webhook`` call, without ``/api/export``.
        token_file: File that holds the access token for it; None when there is none.
        dpop_key: File of the private key that the token is bound to; None when it is bound to none.
        sources: Where record types come from that do not come from the store.
        origins: Setting name to where its value came from: "flag", a variable's name, a file's path or "default".
    """

    home: Path
    tenant: str
    key: str | None
    workers: int
    memory_limit: str
    profiles: Path | None
    serve: ServeSettings
    server: str
    token_file: Path | None
    dpop_key: Path | None
    sources: Sources
    origins: Mapping[str, str]

    @property
    def key_uri(self) -> str:
        """The signing key's URI, the home's own when none is set. It may hold a PIN: do not print it."""
        return self.key if self.key is not None else f"file:{self.home / 'keys' / 'default.key'}"

    @property
    def profiles_path(self) -> Path:
        """Where the git repository of tenants' profiles is, or will be."""
        return self.profiles if self.profiles is not None else self.home / "profiles"

    def describe(self) -> list[dict[str, str]]:
        """Return name, value and origin of every setting, as texts, with secrets masked."""
        own = [name for name in SETTINGS if name not in SERVE_SETTINGS]
        shown = {name: str(getattr(self, name)) for name in own} | {"key": mask(self.key_uri)}
        shown |= self.serve.describe()
        shown["profiles"] = str(self.profiles_path)
        shown |= {name: "none" for name in ("token_file", "dpop_key") if getattr(self, name) is None}
        shown["sources"] = ", ".join(self.sources.relations) or "none"
        listed = [{"name": name, "value": shown[name], "origin": self.origins[name]} for name in SETTINGS]
        declared = self.sources.describe()
        return listed + [{"name": name, "value": text, "origin": self.origins["sources"]} for name, text in declared]


def load_settings(
    flags: Mapping[str, object], *, environ: Mapping[str, str], toml_path: Path | None = None, cpus: int = 2
) -> Settings:
    """Return the settings in force.

    Args:
        flags: Setting name to value, only for flags that were given.
        environ: The environment's variables.
        toml_path: export-center.toml, or None when there is none.
        cpus: How many processors there are: the default of ``workers``.

    Raises:
        ValidationError: An unknown setting, a bad value or a bad file; it names the flag, variable or file, and what
            is expected.
    """
    given: dict[str, tuple[object, Origin]] = {}
    if toml_path is not None:
        given |= {name: (value, Origin(str(toml_path), toml_path.parent)) for name, value in _toml(toml_path).items()}
    for name in SETTINGS:
        variable = PREFIX + name.upper()
        if environ.get(variable):
            given[name] = (environ[variable], Origin(variable))
    _refuse_unknown(flags, "flags")
    given |= {name: (value, Origin("flag")) for name, value in flags.items()}
    values = _defaults(cpus, needs_home="home" not in given)
    values |= {name: _read(name, value, origin) for name, (value, origin) in given.items()}
    origins = {name: given[name][1].name if name in given else "default" for name in SETTINGS}
    serve = ServeSettings(**{name: values.pop(name) for name in SERVE_SETTINGS if name in values})
    return Settings(**values, serve=serve, origins=origins)


def mask(uri: str) -> str:
    """Return a key URI without its PIN, password or user."""
    return _USER.sub(f"//{MASK}@", _SECRET.sub(rf"\g<name>{MASK}", uri))


def _defaults(cpus: int, *, needs_home: bool) -> dict[str, Any]:
    values = {"tenant": "default", "key": None, "workers": cpus, "memory_limit": "512MB", "profiles": None}
    values |= {"server": SERVER, "token_file": None, "dpop_key": None}
    home = {"home": _default_home()} if needs_home else {}
    return {**values, **home, "sources": Sources()}


def _default_home() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - needed only when nobody names a home

    return user_data_path("export-center", appauthor=False)


def _toml(path: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ValidationError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValidationError(f"{path} is not TOML: {error}") from error
    _refuse_unknown(values, str(path))
    return values


def _refuse_unknown(values: Mapping[str, object], where: str) -> None:
    unknown = [
        Detail(field=name, message=f"unknown setting{suggestion(name, SETTINGS)}")
        for name in values
        if name not in SETTINGS
    ]
    if unknown:
        first = unknown[0]
        raise ValidationError(
            f"{where}: {first.field}: {first.message}", advice=f"Settings: {', '.join(SETTINGS)}.", details=unknown
        )


def _read(name: str, value: object, origin: Origin) -> Any:
    rule = SETTINGS[name]
    try:
        return rule.read(value, origin)
    except ValueError as error:
        where = origin.name if origin.name.startswith(PREFIX) else f"{origin.name}: {name}"
        message = f"expected {rule.expected}, got {mask(repr(value))}"
        raise ValidationError(f"{where}: {message}", details=[Detail(field=name, message=message)]) from error


def _sources(value: object, origin: Origin) -> Sources:
    if origin.folder is None:
        raise ValidationError(f"{origin.name}: sources are declared in export-center.toml, in the section [sources]")
    return parse_sources(value, where=origin.name, folder=origin.folder)


SETTINGS: Mapping[str, Rule] = {
    "home": Rule("the path of a folder", folder),
    "tenant": Rule("a tenant: letters, digits, '.', '_' and '-'", matching(TENANT)),
    "key": Rule("the URI of a signing key, such as file:/path/to/default.key", matching(_KEY)),
    "workers": Rule(f"a whole number from 1 to {MAX_WORKERS}", number(1, MAX_WORKERS)),
    "memory_limit": Rule("an amount of memory, such as 512MB or 4GB", matching(re.compile(MEMORY_LIMIT))),
    "profiles": Rule("the path of a git repository", folder),
    **SERVE_SETTINGS,
    "server": Rule("the address of a service, such as https://export.example", matching(_SERVER)),
    "token_file": Rule("the path of a file", folder),
    "dpop_key": Rule("the path of a file", folder),
    "sources": Rule("the section [sources]", _sources),
}
"""Every setting and how it is read. Flags and files use these names; variables put EXPORT_CENTER_ before them."""
