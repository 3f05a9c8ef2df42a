"""Bundles for the tests of the viewer's reader: advisories with titles, aliases and packages, and their search index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bundle import search
from bundle.frames import cut
from bundle.terms import purl_without_version, term_hash, words
from tests.bundle import conftest as builder
from tests.bundle.conftest import Made, make, record

if TYPE_CHECKING:
    from pathlib import Path

    from bundle.keys import Signer

TERMS = "indexes/search/advisories"
TITLES = (
    "Prototype pollution in lodash",
    "Denial of service in the parser of express",
    "Größe falsch geprüft: overflow",
    "Cross-site scripting in the template engine",
    "Use after free",
)
PACKAGES = ("lodash", "express", "@angular/core", "requests", "tokio")


def advisory(number: int, *, title: str = "", package: str = "", **more: Any) -> dict[str, Any]:
    """Return the line of one advisory in OSV, and the digests that go with it; values follow from its number."""
    title, package = title or TITLES[number % len(TITLES)], package or PACKAGES[number // 5 % len(PACKAGES)]
    purl = f"pkg:npm/{package.replace('@', '%40')}"
    content = {
        "id": f"ID-{number:04d}", "summary": title, "aliases": [f"CVE-2024-{number:05d}"],
        "affected": [{"package": {"ecosystem": "npm", "name": package, "purl": f"{purl}@1.{number}.0"}}],
        "details": "What happens, and why. " * (number % 40),
    }  # fmt: skip
    return record(number, content=content, purls=[purl], **more)


def terms_of(line: dict[str, Any]) -> set[str]:
    """Return the terms of an advisory that ``advisory`` made, spelt out field by field."""
    content, purls = line["envelope"]["content"], list(line["envelope"]["purls"])
    packages = [each["package"] for each in content["affected"]]
    names = [package["name"] for package in packages]
    purls += [package["purl"] for package in packages]
    identifiers = [line["envelope"]["id"], *content["aliases"], *names]
    texts = [word for text in (content["summary"], *names) for word in words(text)]
    return {
        *(each.lower() for each in identifiers),
        *texts,
        *(each.lower() for each in purls),
        *(purl_without_version(each.lower()) for each in purls),
    }


def searchable(lines: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return the search index of the advisories of a bundle, as the members that hold it."""
    pairs, first = set(), 0
    for number, count in enumerate(cut([(len(each["line"]), each["key"]) for each in lines], builder.SMALL_FRAMES)):
        found = set().union(*map(terms_of, lines[first : first + count]))
        pairs |= {(term_hash(term), number) for term in found}
        first += count
    terms, root = search.build(pairs)
    return {f"{TERMS}.terms": terms, f"{TERMS}.root": root}


def make_searchable(folder: Path, signer: Signer, lines: list[dict[str, Any]], **options: Any) -> Made:
    """Make a bundle of some advisories with a search index; ``options`` are those of ``make``."""
    change = {**searchable(lines), **options.pop("change", {})}
    return make(folder, signer, lines=lines, change=change, **options)


OPEN = """
const open = async (path, folder) =>
  ExportCenter.container.open(ExportCenter.source.of(folder ? { folder: await chosenFolder(path) } : { file: await chosen(path) }));
const refusal = (error) => {
  if (!(error instanceof ExportCenter.BundleError)) throw error;
  if (!error.advice) throw new Error(`no advice: ${error.message}`);
  return { code: error.code, message: error.message };
};
const attempt = (what) => what().then((found) => ({ found }), (error) => ({ error: refusal(error) }));
const all = async (iterator) => {
  const found = [];
  for await (const each of iterator) found.push(each);
  return found;
};
"""
"""Helpers of the programs that tests give to ``read``."""
