// The page that compares two bundles: what was asked, what is counted, which members and which records differ.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const SUGGESTED = 8;
  let records = null;

  const same = (equal) => EC.dom.h("span", { class: `outcome ${equal ? "success" : "failed"}` }, equal ? "equal" : "different");

  function digestTable(a, b) {
    const { h } = EC.dom;
    const digest = (value, side) => h("td", { "data-label": side }, h("span", { class: "digest", title: value }, value.slice(0, 16)));
    const row = ({ name, a: left, b: right, equal, meaning }) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, same(equal)), digest(left, "A"), digest(right, "B"), h("td", {}, meaning));
    const heads = ["Digest", "", "A", "B", "What that means"].map((title) => (title ? h("th", { scope: "col" }, title) : h("td")));
    const body = EC.compareWords.digests(a, b).map(row);
    return h("div", { class: "scroll" }, h("table", { class: "sides" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body)));
  }

  const signed = (value) => (value === 0 ? "0" : `${value > 0 ? "+" : "−"}${EC.dom.number(Math.abs(value))}`);

  function countTable(a, b) {
    const { number } = EC.dom;
    const count = (key, title) => ({ key, title, number: true, text: (row) => number(row[key]), descending: true, width: "6.5rem" });
    const columns = [
      { key: "value", title: "Value", primary: true, width: "minmax(0, 2fr)" },
      { key: "dimension", title: "Counted by", facet: true, width: "7rem" },
      count("a", "A"),
      count("b", "B"),
      { ...count("change", "Difference"), text: (row) => signed(row.change), value: (row) => row.change },
    ];
    const words = EC.compareWords;
    const rest = words.shortened(a) || words.shortened(b) ? " Tables list 5 000 values each; (other) stands for the rest, and a 0 may be among it." : "";
    const caption = `Records that state a value; one record may state several.${rest}`;
    return EC.table.create({ id: "counts", caption, columns, rows: words.counts(a, b), unit: "counts" }).element;
  }

  function decidedTable(a, b) {
    const columns = [
      { key: "name", title: "Field", primary: true, width: "minmax(0, 1fr)" },
      { key: "part", title: "Part", facet: true, width: "8rem", wide: true },
      { key: "differs", title: "A and B", facet: true, width: "6rem" },
      { key: "a", title: "A", width: "minmax(0, 1.6fr)" },
      { key: "b", title: "B", width: "minmax(0, 1.6fr)" },
    ];
    const rows = EC.compareWords.decided(a, b).sort((one, other) => (one.differs < other.differs ? -1 : one.differs > other.differs ? 1 : 0));
    const caption = "Profile, selectors, policy, adapters and toolchain; what differs comes first.";
    return EC.table.create({ id: "decided", caption, columns, rows, unit: "fields" }).element;
  }

  function memberTable(a, b) {
    const { number, size } = EC.dom;
    const bytes = (key, title) => ({ key, title, number: true, text: (row) => (row[key] === null ? "" : size(row[key])), width: "6rem" });
    const whole = (key, title) => ({ key, title, number: true, wide: true, text: (row) => (row[key] === null ? "" : number(row[key])), width: "6rem" });
    const columns = [
      { key: "path", title: "Member", primary: true, width: "minmax(0, 2fr)" },
      { key: "state", title: "A and B", facet: true, width: "minmax(6rem, 1fr)" },
      bytes("aBytes", "Size A"),
      bytes("bBytes", "Size B"),
      whole("aRecords", "Records A"),
      whole("bRecords", "Records B"),
      { key: "aSha256", title: "SHA-256 A", hidden: true },
      { key: "bSha256", title: "SHA-256 B", hidden: true },
    ];
    const rows = EC.compareWords.members(a, b).sort((one, other) => (one.state === "same") - (other.state === "same"));
    return EC.table.create({ id: "members", caption: "Files of the payload; those that differ come first.", columns, rows, unit: "members" }).element;
  }

  function section(id, title, ...content) {
    const { h } = EC.dom;
    return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), content);
  }

  function results(place, sides) {
    const { h } = EC.dom;
    const [a, b] = sides.map((side) => side.manifest);
    const list = h("div");
    place.replaceChildren(
      section("answer", "Same or different", h("p", { class: "answer" }, EC.compareWords.verdict(a, b)), digestTable(a, b),
        h("p", { class: "note" }, "Both say this of themselves: ", h("a", { href: `${EC.page.root}verify.html` }, "verify them"), " to know that it is so.")),
      section("difference", "Records", list),
      section("counted", "Counts side by side", countTable(a, b)),
      section("asked", "What was asked, and with what", decidedTable(a, b)),
      section("files", "Members", memberTable(a, b)),
    );
    records = EC.compareRecords(list, sides);
  }

  /** Of a bundle that nobody verified, export.json may lack anything: then the page says so instead. */
  function shown(place, sides) {
    try {
      results(place, sides);
    } catch (error) {
      const words = `One of them has no export.json as bundles have it, and is not compared: ${error.message}`;
      place.replaceChildren(EC.dom.h("p", { class: "remark", role: "alert" }, words));
    }
  }

  /** The two newest bundles of a profile, of each profile that has two. */
  function pairs(rows) {
    const found = new Map();
    for (const row of rows.filter((one) => EC.known.isGood(one))) {
      if (!found.has(row.profile)) found.set(row.profile, []);
      found.get(row.profile).push(row);
    }
    return [...found].filter(([, list]) => list.length > 1).slice(0, SUGGESTED).map(([profile, [b, a]]) => ({ profile, a, b }));
  }

  function suggestions(rows, unlisted) {
    const { h, visible } = EC.dom;
    const link = ({ profile, a, b }) =>
      h("li", {}, h("a", { href: `?${new URLSearchParams({ a: a.name, b: b.name })}` }, `the latest two of ${visible(profile)}`));
    const found = pairs(rows);
    const words = "Choose two bundles. What each says of itself is compared at once; records when both can be read.";
    const lost = unlisted && h("p", { class: "remark", role: "alert" }, `The bundles of this site cannot be listed: ${EC.records.words(unlisted)}`);
    return h("div", { class: "empty" }, lost, h("p", {}, words), found.length ? h("ul", { class: "suggested" }, found.map(link)) : "");
  }

  const wanted = () => ["a", "b"].map((letter) => new URLSearchParams(location.search).get(letter) ?? "");

  /** Keep names of known bundles in the address; one from a disk has none. */
  function address(sides) {
    const query = new URLSearchParams(sides.filter((side) => side.row).map((side) => [side.letter, side.row.name]));
    const url = `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`;
    if (url !== location.pathname + location.search + location.hash) history.replaceState(history.state, "", url);
  }

  function swapper(sides) {
    const act = () => {
      const [a, b] = sides.map(({ row, manifest, bundle, error }) => ({ row, manifest, bundle, error }));
      [Object.assign(sides[0], b), Object.assign(sides[1], a)].forEach((side) => {
        side.input.value = side.row?.name ?? "";
        side.say();
      });
      sides[0].changed();
    };
    return EC.dom.h("button", { type: "button", class: "button", onclick: act }, "Swap A and B");
  }

  EC.start("compare", async (page) => {
    const place = document.getElementById("compare");
    if (page.page !== "compare" || !place) return;
    let unlisted = null;
    const rows = await EC.known.all().catch((error) => ((unlisted = error), []));
    const found = EC.dom.h("div", { class: "compared" });
    const changed = () => {
      records?.end();
      address(sides);
      if (sides.every((side) => side.manifest)) shown(found, sides);
      else found.replaceChildren(suggestions(rows, unlisted));
    };
    const sides = ["a", "b"].map((letter) => EC.side(letter, rows, changed));
    const names = wanted();
    place.replaceChildren(EC.dom.h("div", { class: "two" }, sides.map((side) => side.element)), EC.dom.h("p", { class: "buttons" }, swapper(sides)), found);
    found.replaceChildren(suggestions(rows, unlisted));
    // Both at once: the address keeps what it asks for until both have answered.
    const told = sides.map((side) => side.changed);
    sides.forEach((side) => (side.changed = () => {}));
    await Promise.all(sides.map((side, at) => names[at] && side.known(names[at])));
    sides.forEach((side, at) => (side.changed = told[at]));
    if (names.some(Boolean)) changed();
  });
})();
