"""Arrow's memory in a process that exports: kept for the next batch instead of given back after every one.

Batches of a stream are all about equally large. An allocator that gives each back to the system and takes it anew has
the kernel clear its pages every time, which is some 5 % of an export. jemalloc keeps pages for a time that can be set
in a running process, and holds no more at its peak than mimalloc, which Arrow would take.
"""

from __future__ import annotations

import pyarrow as pa

KEPT_MS = 10_000
"""How long freed pages are kept: far longer than a batch takes, far shorter than a process that waits would mind."""


def keep_arrow_memory() -> None:
    """Have Arrow allocate with jemalloc where it was built with it and nobody chose the system's allocator.

    Calling this again changes nothing.
    """
    if "jemalloc" in pa.supported_memory_backends() and pa.default_memory_pool().backend_name != "system":
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(KEPT_MS)
