"""Adapters: how records become the files of a bundle. The table below lists them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.json import JsonPolicy, JsonRaw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.adapter import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    "json:raw": JsonRaw(),
    "json:policy": JsonPolicy(),
}
"""Adapters by the ``kind:variant`` of the profiles they serve."""
