// Records that share an alias, an id or a package URL with the one that is shown; looked for when asked.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MOST_TERMS = 24;
  const MOST_EACH = 25;

  /** Return what to look for: [{term, as}], ids and aliases first, then packages without their versions. */
  function termsOf(record) {
    const facts = EC.facts.of(record);
    const names = [...new Set([facts.id, ...facts.aliases])].map((term) => ({ term, as: term === facts.id ? "id" : "alias" }));
    const purls = [...new Set(facts.purls.map(EC.terms.purlWithoutVersion))].map((term) => ({ term, as: "package" }));
    return [...names, ...purls].filter(({ term }) => !/\s/.test(term));
  }

  async function* hitsOf(bundle, { term }, signal) {
    if (EC.search.available(bundle)) yield* EC.search.search(bundle, term, { signal });
    else yield* await EC.lookup.byId(bundle, term, { signal });
  }

  /** Look for one term; return rows other than the record itself and than those known, and whether there are more. */
  async function look(bundle, wanted, known, signal) {
    const rows = [];
    for await (const hit of hitsOf(bundle, wanted, signal)) {
      const one = EC.found.row(hit);
      if (known.has(one.observationId) || !one.observationId) continue;
      if (rows.length >= MOST_EACH) return { rows, more: true };
      known.add(one.observationId);
      rows.push(one);
    }
    return { rows, more: false };
  }

  function group({ term, as }, { rows, more }) {
    const { h, brief } = EC.dom;
    const items = rows.map((one) =>
      h("li", {}, h("a", { href: EC.found.hrefOf(one) }, h("span", { class: "id" }, brief(one.id)), h("span", {}, brief(one.title)), h("small", {}, brief(`${one.kind}, ${one.source}`)))),
    );
    const all = more && h("p", { class: "note" }, "There are more: ", EC.parts.term(term), ".");
    return [h("h5", {}, `Same ${as}: `, EC.parts.term(term)), h("ul", { class: "hits" }, items), all];
  }

  async function run(bundle, record, place, signal) {
    const { h, number, size } = EC.dom;
    const wanted = termsOf(record);
    const looked = wanted.slice(0, MOST_TERMS);
    const said = h("p", { class: "note", role: "status" }, "Looking…");
    place.replaceChildren(said);
    const before = bundle.bytesRead;
    const known = new Set([record.observationId]);
    let count = 0;
    for (const [at, one] of looked.entries()) {
      said.textContent = `Looking for ${at + 1} of ${looked.length}: ${EC.dom.brief(one.term)}`;
      const found = await look(bundle, one, known, signal);
      count += found.rows.length;
      if (found.rows.length) said.before(...group(one, found).filter(Boolean));
    }
    const left = wanted.length > looked.length ? ` Not looked for: ${number(wanted.length - looked.length)} more package URLs.` : "";
    const index = EC.search.available(bundle) ? "" : " This bundle has no search index, so only records whose own id is the same were found.";
    said.textContent = `${count ? number(count) : "No"} other ${count === 1 ? "record" : "records"} in this bundle; ${size(bundle.bytesRead - before)} read.${left}${index}`;
  }

  /** Make the part "Related records" of a record; it reads nothing before it is opened. */
  function part(bundle, record, signal) {
    const { h } = EC.dom;
    const place = h("div", {});
    const details = h("details", { class: "part related" }, h("summary", {}, "Related records: same id, aliases or packages"), place);
    let begun = false;
    details.addEventListener("toggle", () => {
      if (begun || !details.open) return;
      begun = true;
      run(bundle, record, place, signal).catch((error) => {
        if (!signal.aborted) place.append(h("p", { class: "wrong", role: "alert" }, EC.records.words(error)));
      });
    });
    return details;
  }

  EC.related = { part, termsOf };
})();
