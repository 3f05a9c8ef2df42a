"""A served bundle's page verifies what the service delivers, with a key that the reader supplies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bundle.keys import generate_key_pair
from tests.server.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.counterpart


def test_a_served_page_verifies_its_bundle_with_the_right_key_only(
    evidence_home: Path, tmp_path: Path, counterpart: Callable[[str], str]
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with serving(evidence_home, tmp_path) as running, sync_api.sync_playwright() as playwright:
        run_id = running.submit()
        running.ended(run_id)
        chromium = playwright.chromium.launch(executable_path=counterpart("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{running.url}/bundles/{run_id}/index.html")
        found = {}
        for name, pem in (
            ("right", (evidence_home / "keys" / "default.pub").read_text()),
            ("wrong", generate_key_pair()[1].decode()),
        ):
            page.fill("#trusted-pem", pem)
            page.click("#verify-actions .main:enabled")
            page.wait_for_selector("#verify-verdict:visible")
            found[name] = page.inner_text("#verify-verdict").splitlines()[0]
        chromium.close()
    assert found == {
        "right": "Verified, checked with the key you supplied",
        "wrong": "Not verified: do not rely on this bundle",
    }
    assert said == []
