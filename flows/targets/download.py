"""The target ``http``: the bundle stays in this installation's folder, and the service's download sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.targets.staging import Staging
from flows.targets.target import BlobGoneError, Placed

if TYPE_CHECKING:
    from flows.targets.target import Parcel, Place

LOCATION = "/api/export/runs/{name}/download"


class Download:
    """Staged bundles of one tenant."""

    def __init__(self, place: Place) -> None:
        """Take a place; nothing is written yet."""
        self._staging = Staging.of(place.bundles, place.tenant)
        self._layout = place.layout

    def has(self, digest: str) -> bool:
        """Whether another run has left the same bytes."""
        return self._staging.has(digest)

    def put(self, parcel: Parcel) -> None:
        """Keep the bytes."""
        self._staging.put(parcel.path, parcel.sha256)

    def point(self, name: str, digest: str) -> Placed:
        """Give the bytes the name of a run's bundle.

        Raises:
            BlobGoneError: They were removed meanwhile.
        """
        path = self._staging.bundle(name, self._layout)
        try:
            self._staging.point(digest, path)
        except FileNotFoundError as error:
            raise BlobGoneError("the staged bytes were removed before the run had named them") from error
        return Placed(LOCATION.format(name=name), path)
