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
    return [...names, ...purls];
  }

  /** A query is parted where there is white space: what has some in it cannot be looked for as a whole. */
  const searchable = ({ term }) => !EC.terms.SPACE.test(term);

  const keyOf = ({ observationId, member, frame, offset }) => observationId || `${member}:${frame}:${offset}`;

  async function* hitsOf(bundle, { term }, options) {
    if (EC.search.available(bundle)) yield* EC.search.search(bundle, term, options);
    else yield* await EC.lookup.byId(bundle, term, options);
  }

  /** What searches left out, all together: a frame that several of them skipped counts once. */
  class LeftOut {
    constructor() {
      Object.assign(this, { frames: new Map(), unread: 0 });
    }

    /** Return what one search tells its progress to. */
    progress() {
      let before = 0;
      return ({ skipped, unread }) => {
        for (const frame of skipped) this.frames.set(`${frame.member}:${frame.frame}`, frame);
        this.unread += unread - before;
        before = unread;
      };
    }

    words() {
      const said = EC.reading.skipped({ skipped: [...this.frames.values()], unread: this.unread });
      return said && ` Not all was read: ${said}.`;
    }
  }

  /** Look for one term; return rows other than the record itself and than those known, and whether there are more. */
  async function look(bundle, wanted, known, options) {
    const rows = [];
    for await (const hit of hitsOf(bundle, wanted, options)) {
      const one = EC.found.row(hit);
      // What a policy says of a finding stands with the finding.
      if (known.has(keyOf(one)) || hit.member === EC.reading.EVALUATIONS) continue;
      if (rows.length >= MOST_EACH) return { rows, more: true };
      known.add(keyOf(one));
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

  /**
   * Look for what shares something with a record that is shown; `looking` is told what for, `found` gets each group.
   * @returns {Promise<{count: number, left: number, unread: string}>} how many; how many terms were not looked for;
   *   and what was not read, in words
   */
  async function gather(bundle, shown, { signal, looking, found }) {
    const wanted = termsOf(shown.record);
    const looked = wanted.filter(searchable).slice(0, MOST_TERMS);
    const known = new Set([keyOf(EC.found.row(shown))]);
    const leftOut = new LeftOut();
    let count = 0;
    for (const [at, one] of looked.entries()) {
      looking(one.term, at + 1, looked.length);
      const group = await look(bundle, one, known, { signal, progress: leftOut.progress() });
      count += group.rows.length;
      if (group.rows.length) found(one, group);
    }
    return { count, left: wanted.length - looked.length, unread: leftOut.words() };
  }

  async function run(bundle, shown, place, signal) {
    const { h, number, size } = EC.dom;
    const said = h("p", { class: "note", role: "status" }, "Looking…");
    place.replaceChildren(said);
    const before = bundle.bytesRead;
    const looking = (term, at, of) => (said.textContent = `Looking for ${at} of ${of}: ${EC.dom.brief(term)}`);
    const found = (one, rows) => said.before(...group(one, rows).filter(Boolean));
    const { count, left, unread } = await gather(bundle, shown, { signal, looking, found });
    const rest = left ? ` Not looked for: ${number(left)} more of its ids, aliases and package URLs.` : "";
    const index = EC.search.available(bundle) ? "" : " This bundle has no search index, so only records whose own id is the same were found.";
    said.textContent = `${count ? number(count) : "No"} other ${count === 1 ? "record" : "records"} found in this bundle; ${size(bundle.bytesRead - before)} read.${rest}${unread}${index}`;
  }

  /** Make the part "Related records" of a record; it reads nothing before it is opened. */
  function part(bundle, hit, signal) {
    const { h } = EC.dom;
    const place = h("div", {});
    const details = h("details", { class: "part related" }, h("summary", {}, "Related records: same id, aliases or packages"), place);
    let begun = false;
    details.addEventListener("toggle", () => {
      if (begun || !details.open) return;
      begun = true;
      run(bundle, hit, place, signal).catch((error) => {
        if (!signal.aborted) place.append(h("p", { class: "wrong", role: "alert" }, EC.records.words(error)));
      });
    });
    return details;
  }

  EC.related = { part, gather };
})();
