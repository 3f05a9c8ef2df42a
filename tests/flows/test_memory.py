"""Arrow's allocator is chosen for exports, unless somebody else chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from flows.memory import keep_arrow_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _same_pool_afterwards() -> Iterator[None]:
    before = pa.default_memory_pool()
    yield
    pa.set_memory_pool(before)


@pytest.mark.skipif("jemalloc" not in pa.supported_memory_backends(), reason="Arrow was built without jemalloc")
def test_arrow_keeps_memory_with_jemalloc_where_it_would_take_mimalloc() -> None:
    pa.set_memory_pool(pa.mimalloc_memory_pool())
    for _ in range(2):
        keep_arrow_memory()
        pool = pa.default_memory_pool()
        assert pool.backend_name == "jemalloc"
    held = pool.bytes_allocated()
    buffer = pa.allocate_buffer(1 << 20)
    assert pool.bytes_allocated() - held >= buffer.size


def test_the_allocator_of_the_system_stays_where_it_was_chosen() -> None:
    pa.set_memory_pool(pa.system_memory_pool())
    keep_arrow_memory()
    assert pa.default_memory_pool().backend_name == "system"
