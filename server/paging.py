"""Pages of lists: items, how many there are in all, and where the other pages are (RFC 8288)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from server.context import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.context import Call


def page_of(call: Call, items: Sequence[dict[str, Any]], total: int) -> Reply:
    """Return the page that a call asks for."""
    page, size = call.page()
    headers = {"X-Total-Count": str(total), "Link": _links(call, page, size, total)}
    return Reply(body={"items": list(items), "page": page, "pageSize": size}, headers=headers)


def _links(call: Call, page: int, size: int, total: int) -> str:
    final = max(-(-total // size), 1)
    wanted = {"first": 1, "prev": min(page - 1, final), "next": page + 1, "last": final}
    if page <= 1:
        del wanted["prev"]
    if page >= final:
        del wanted["next"]
    others = [(name, value) for name, value in call.query.multi_items() if name not in ("page", "pageSize")]
    found = [
        f'<{call.path}?{urlencode([*others, ("page", number), ("pageSize", size)])}>; rel="{name}"'
        for name, number in wanted.items()
    ]
    return ", ".join(found)
