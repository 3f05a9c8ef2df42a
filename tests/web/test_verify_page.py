"""The page that verifies, in a real browser: opened from a file, and a bundle's own page that reads it over HTTP."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from bundle.keys import load_public_key
from bundle.verify import verify
from tests.web.ranges import serving
from tests.web.tampering import Members, as_tar, flipped, members_of, new_signer, replaced, write
from web import verify_page
from web.around import ALONE
from web.assets import site_files
from web.bundle_page import in_site
from web.layout import BundlePlace, Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.counterpart

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example"
AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
PEM = (EXAMPLE / "key.pub").read_text()
DATA = "data/advisories.jsonl.zst"
ADDRESS = "bundles/example"
OTHER = "bundles/other"
"""A page about an older export of the same evidence, beside the example's archive."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static site with the page, and the example's page beside its archive."""
    archive = EXAMPLE / "bundle.tar.zst"
    verified = verify(archive, keys=[load_public_key(PEM.encode())])
    place = BundlePlace(name="example", url="bundle.tar.zst", layout="tar.zst", bytes=archive.stat().st_size)
    around = Layout(mode="static", page="bundle", title="example", root="../../", bundle=place)
    key = (verified.key_id, "ecdsa-p256-sha256")
    pages = {
        "verify.html": verify_page.render(Layout(mode="static", page="verify", title="Verify a bundle")),
        f"{ADDRESS}/index.html": in_site(verified.manifest, around, ALONE, key=key),
        **site_files(),
    }
    older = structs.replace(verified.manifest, as_of="2020-01-01T00:00:00Z")
    pages[f"{OTHER}/index.html"] = in_site(older, replace(around, bundle=replace(place, bytes=9)), ALONE, key=key)
    made = tmp_path_factory.mktemp("site")
    for name, data in pages.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    for address in (ADDRESS, OTHER):
        (made / address / "bundle.tar.zst").write_bytes(archive.read_bytes())
    return made


@pytest.fixture(scope="module")
def example() -> Members:
    return members_of(EXAMPLE / "bundle.tar.zst")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The site's address over HTTP."""
    with serving(folder) as site:
        yield site.url


@pytest.fixture
def opened(browser: Any, folder: Path) -> Callable[..., Any]:
    """Return a context manager that opens a page and, at its end, demands silence and no request elsewhere."""

    @contextmanager
    def opening(url: str = "", *, width: int = 1280, scheme: str = "light", bypass: bool = False) -> Iterator[Any]:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=bypass)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url or (folder / "verify.html").as_uri())
        yield page
        context.close()
        assert said == []
        allowed = ("file:", "data:", "blob:", url.partition("/bundles")[0] or "file:")
        assert [each for each in asked if not each.startswith(allowed)] == []

    return opening


def choose(page: Any, bundle: Path, pem: str = PEM) -> None:
    page.set_input_files(
        f"#verify-choose input{'[webkitdirectory]' if bundle.is_dir() else ':not([webkitdirectory])'}", bundle
    )
    page.fill("#trusted-pem", pem)


def judge(page: Any) -> str:
    """Let the page verify what was chosen, and return its verdict."""
    page.click("#verify-actions .main:enabled")
    page.wait_for_selector("#verify-verdict:visible")
    return str(page.inner_text("#verify-verdict"))


def states(page: Any) -> list[str]:
    return [item.get_attribute("data-state") or "" for item in page.locator(".checks > li").all()]


def test_a_genuine_bundle_passes_every_step_that_is_done_here_and_can_be_looked_into(
    opened: Callable[..., Any],
) -> None:
    with opened() as page:
        assert page.is_disabled("#verify-actions .main")
        choose(page, EXAMPLE / "bundle.tar.zst")
        verdict = judge(page)
        assert verdict.startswith("Verified, checked with the key you supplied")
        assert load_public_key(PEM.encode()).key_id in verdict
        assert "Step 12, every record by itself, was not done here" in verdict
        assert states(page) == ["passed"] * 11 + ["elsewhere"]
        page.wait_for_selector("#verify-look .facts")
        assert "RUSTSEC" not in page.inner_text("#verify-look .facts")
        assert "example, revision 1, json:raw" in page.inner_text("#verify-look .facts")


TAMPERED: dict[str, tuple[Callable[[Members], Members], int, str]] = {
    "a bit of a member was turned": (lambda found: replaced(found, {DATA: flipped(dict(found)[DATA], 9)}), 6, DATA),
    "a member is missing": (lambda found: [each for each in found if each[0] != DATA], 5, DATA),
    "a member was added": (lambda found: [*found, ("more", b"")], 11, "more"),
    "export.json was changed": (
        lambda found: replaced(found, {"export.json": flipped(dict(found)["export.json"], 99)}), 2, "export.json.sig"
    ),
    "checksums.txt was changed": (lambda found: replaced(found, {"checksums.txt": b""}), 9, "checksums.txt"),
    "cosign.pub was exchanged": (
        lambda found: replaced(found, {"cosign.pub": new_signer("ed25519").public.pem}), 10, "cosign.pub"
    ),
}  # fmt: skip


def test_a_tampered_bundle_shows_the_step_and_the_member(
    opened: Callable[..., Any], example: Members, tmp_path: Path
) -> None:
    with opened() as page:
        for sentence, (change, step, member) in TAMPERED.items():
            path = tmp_path / f"{sentence}.tar.zst"
            path.write_bytes(as_tar(change(example)))
            choose(page, path)
            verdict = judge(page)
            assert verdict.startswith("Not verified: do not rely on this bundle"), sentence
            assert f"Step {step} failed at {member}:" in verdict, sentence
            found = states(page)
            assert [at for at, state in enumerate(found, 1) if state == "failed"] == [step], sentence
            assert page.is_hidden("#look"), sentence


def test_a_folder_is_verified_as_an_archive_is(opened: Callable[..., Any], example: Members, tmp_path: Path) -> None:
    write(tmp_path / "extracted", example)
    with opened() as page:
        choose(page, tmp_path / "extracted")
        assert judge(page).startswith("Verified")
        (tmp_path / "extracted" / "more.txt").write_text("?")
        choose(page, tmp_path / "extracted")
        assert "Step 1 failed at the container: more.txt is not listed in export.json" in judge(page)


DROP = """([selector, name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name));
    const event = new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
    document.querySelector(selector).dispatchEvent(event);
    return event.defaultPrevented;
}"""


def test_a_bundle_and_a_key_can_be_dropped_and_what_misses_its_place_does_not_replace_the_page(
    opened: Callable[..., Any],
) -> None:
    with opened() as page:
        bundle = list((EXAMPLE / "bundle.tar.zst").read_bytes())
        assert page.evaluate(DROP, [".drop", "dropped.tar.zst", bundle])
        page.wait_for_function("document.querySelector('.chosen').textContent.includes('dropped.tar.zst')")
        assert page.evaluate(DROP, ["#verify-keys", "key.pub", list(PEM.encode())])
        assert "dropped.tar.zst" in judge(page)
        assert page.evaluate(DROP, ["h1", "beside.tar.zst", bundle])


def test_what_is_no_bundle_is_said_to_be_none(opened: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 99)
    with opened() as page:
        choose(page, tmp_path / "letter.txt")
        assert judge(page).startswith("Nothing to verify\n\nletter.txt is no bundle")
        page.get_by_role("button", name="Look without verifying").click()
        page.wait_for_selector("#verify-look .wrong")


KEYS = {
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n": "The key is neither ECDSA P-256 nor Ed25519.",
    "-----BEGIN PRIVATE KEY-----\nMFkw\n-----END PRIVATE KEY-----\n": "This is a private key.",
    "-----BEGIN CERTIFICATE-----\nMFkw\n-----END CERTIFICATE-----\n": "A certificate is no public key.",
    PEM.replace("M", "?", 1): "A key's text between BEGIN and END is not base64",
    "ssh-ed25519 AAAA": "There is no public key in this text.",
}


def test_texts_that_are_no_key_are_refused_with_a_reason_and_line_breaks_do_not_matter(
    opened: Callable[..., Any],
) -> None:
    with opened() as page:
        choose(page, EXAMPLE / "bundle.tar.zst")
        for text, reason in KEYS.items():
            page.fill("#trusted-pem", text)
            page.wait_for_function(
                "reason => document.getElementById('trusted-said').textContent.startsWith(reason)", arg=reason
            )
            assert page.is_disabled("#verify-actions .main"), reason
        page.fill("#trusted-pem", f"Our key:\r\n{PEM.replace(chr(10), chr(13) + chr(10))}\r\n")
        assert judge(page).startswith("Verified")


def test_a_key_is_remembered_by_a_name_only_when_asked_for_and_forgotten_again(opened: Callable[..., Any]) -> None:
    with opened() as page:
        choose(page, EXAMPLE / "bundle.tar.zst")
        judge(page)
        assert page.evaluate("localStorage.length") == 0
        page.check("#trusted-keep")
        page.fill("#trusted-name", "Team <b>")
        judge(page)
        assert page.evaluate("localStorage.length") == 1
        page.reload()
        page.get_by_role("button", name="Team <b>", exact=True).click()
        page.wait_for_function("document.getElementById('trusted-said').textContent.includes('key id')")
        assert page.input_value("#trusted-pem") == PEM.strip()
        page.get_by_role("button", name="Forget Team <b>").click()
        assert page.evaluate("localStorage.getItem('export-center.trusted-keys')") == "{}"
        assert page.is_hidden("#verify-keys .kept")


def test_a_verification_can_be_canceled(opened: Callable[..., Any]) -> None:
    with opened() as page:
        choose(page, EXAMPLE / "bundle.tar.zst")
        # A medium that answers only when it is given up.
        page.evaluate("""() => { ExportCenter.source.of = () => ({name: "slow", size: 1e9, read: (start, end, options) =>
            new Promise((_, refuse) => setInterval(() => window.giveUp && refuse(new Error("gone")), 20))}); }""")
        page.click("#verify-actions .main:enabled")
        page.get_by_role("button", name="Cancel").click()
        page.wait_for_selector("#verify-verdict:visible")
        assert page.inner_text("#verify-verdict").startswith("Canceled: nothing is known about this bundle")
        assert page.is_visible("#verify-actions .main")


def test_a_bundles_page_verifies_its_archive_over_http(opened: Callable[..., Any], address: str, folder: Path) -> None:
    archive = folder / ADDRESS / "bundle.tar.zst"
    with opened(f"{address}/{ADDRESS}/index.html") as page:
        page.fill("#trusted-pem", PEM)
        assert judge(page).startswith("Verified, checked with the key you supplied")
        genuine = archive.read_bytes()
        archive.write_bytes(flipped(genuine, genuine.index(b"# ") + 9))
        try:
            assert "Step 6 failed at README.md" in judge(page)
        finally:
            archive.write_bytes(genuine)


def test_another_bundle_of_the_same_evidence_is_not_taken_for_the_one_that_a_page_is_about(
    opened: Callable[..., Any], address: str
) -> None:
    with opened(f"{address}/{OTHER}/index.html#q=x") as page:
        page.fill("#trusted-pem", PEM)
        said = judge(page)
        assert said.startswith("Genuine, but not the bundle that this page is about")
        digests = [line for line in said.splitlines() if len(line) == 64]
        assert digests[0] == digests[1]
        assert digests[2] != digests[3]
        page.get_by_text("bundle.tar.zst is another bundle, of export.json").wait_for()


def test_a_bundles_page_that_was_opened_as_a_file_leads_to_the_page_that_verifies(
    opened: Callable[..., Any], folder: Path
) -> None:
    with opened((folder / ADDRESS / "index.html").as_uri()) as page:
        assert page.is_hidden("#verify-here")
        page.locator("#verify").get_by_role("link", name="Verify").click()
        page.wait_for_selector("#verify-form:visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_violation_before_and_after_a_verdict(
    opened: Callable[..., Any], example: Members, tmp_path: Path, scheme: str, width: int
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run `npm ci` in tests/web/node")
    (tmp_path / "altered.tar.zst").write_bytes(as_tar([*example, ("more", b"")]))
    with opened(width=width, scheme=scheme, bypass=True) as page:
        page.add_script_tag(path=AXE)
        for bundle in (None, EXAMPLE / "bundle.tar.zst", tmp_path / "altered.tar.zst"):
            if bundle:
                choose(page, bundle)
                judge(page)
            found = page.evaluate("axe.run({preload: false}).then((result) => result.violations)")
            assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_page_leads_to_the_commands(browser: Any, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "verify.html").as_uri())
    assert "This page verifies with scripts, and scripts are off" in page.inner_text("main")
    assert page.locator("button:visible, input:visible, textarea:visible").count() == 0
    assert "export-center bundle verify export.tar.zst" in page.inner_text("#commands")
    context.close()
