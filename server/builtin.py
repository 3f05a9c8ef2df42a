"""Profiles that come with the program: every tenant may run them, nobody may change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import ProfileNotFoundError
from flows.profiles import builtin_profiles

if TYPE_CHECKING:
    from flows.profiles import LoadedProfile


class BuiltinProfiles:
    """Finds the built-in profiles, and no others."""

    def find(self, tenant: str, profile_id: str) -> LoadedProfile:
        """Return a profile by id.

        Raises:
            ProfileNotFoundError: There is none.
        """
        known = builtin_profiles()
        found = known.get(profile_id.removesuffix("@1"))
        if found is None:
            raise ProfileNotFoundError(f"tenant {tenant} has no profile {profile_id!r}")
        return found

    def is_active(self, _tenant: str, _profile_id: str) -> bool:
        """Whether it may be run: always."""
        return True
