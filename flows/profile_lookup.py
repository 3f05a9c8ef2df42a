"""Finding the profile of a run: a tenant's own or a shared one by id, else a YAML file by path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import ProfileNotFoundError
from flows.profiles import load_profile, resolve_profile

if TYPE_CHECKING:
    from flows.profiles import LoadedProfile


def find_profile(name_or_path: str, *, tenant: str, repository: Path | None, archived: bool = False) -> LoadedProfile:
    """Return a profile by id (``x``, ``x@2``) or by the path of a YAML file; ids go first.

    Args:
        name_or_path: What was asked for.
        tenant: Whose profiles are looked at before the shared ones.
        repository: Folder of the profiles of tenants; without one, there are the built-in profiles only.
        archived: Whether archived ones are found too.

    Raises:
        ProfileNotFoundError: Neither; the advice names close matches.
        ValidationError: The file is no profile.
        StorageError: The repository cannot be read.
    """
    if repository is None or not repository.exists():
        return resolve_profile(name_or_path)
    from flows.profile_store import ProfileStore  # noqa: PLC0415 - git costs time that the built-in profiles do not need

    with ProfileStore(repository) as store:
        try:
            return store.find(tenant, name_or_path) if archived else store.resolve(tenant, name_or_path)
        except ProfileNotFoundError:
            if name_or_path.endswith((".yaml", ".yml")) or Path(name_or_path).is_file():
                return load_profile(name_or_path)
            raise
