// Lists that lie in a bundle and are shown once it is open: what a delta changes, what a Trivy database cannot say.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  /** The most bytes of a list that a page holds: of what lies in the bundle, and of what it is decompressed to. */
  const PACKED = 32 << 20;
  const PLAIN = 96 << 20;
  const DELTA = ["id", "change", "kind", "source", "locator", "tenant"];
  const REPORT = ["id", "reason", "package", "ecosystem", "source", "detail"];
  const NARROW = new Set(["change", "kind"]);
  const FACETS = new Set(["change", "kind", "source", "tenant", "reason", "ecosystem"]);

  const tooLong = (path) =>
    new EC.BundleError(`${path} is longer than a page should hold`, {
      advice: `On a command line: zstd -dc ${path} | less`,
      code: "limit",
    });

  const unread = (path) => (message) =>
    new EC.BundleError(`${path}: ${message}`, { advice: `On a command line: zstd -dc ${path} | less`, code: "format" });

  /** Decompress one frame that was begun, with turns for the page between. */
  async function* frame(walk, { size, header }, fail, signal) {
    let pieces = [];
    const decoder = new fzstd.Decompress((piece) => pieces.push(piece));
    decoder.push(header);
    for await (const { block, last } of walk.blocks(size)) {
      try {
        decoder.push(block, last);
      } catch (error) {
        throw fail(`a frame cannot be decompressed: ${error.message}`);
      }
      yield* pieces;
      pieces = [];
      await EC.turn.due(signal);
    }
  }

  /** Decompress a member of any number of frames; bounded by what they state, and by what they hold. */
  async function plainOf(data, path, signal) {
    const [pieces, left, fail] = [[], [data], unread(path)];
    const walk = new EC.zstd.Walk(async () => left.pop() ?? null, fail);
    for (let stated = 0, size = 0; await walk.more(); ) {
      const begun = await walk.frame();
      stated += begun.size;
      if (stated > PLAIN) throw tooLong(path);
      for await (const piece of frame(walk, begun, fail, signal)) {
        size += piece.length;
        if (size > stated) throw fail("a frame holds more than it states");
        pieces.push(piece);
      }
      if (size !== stated) throw fail("a frame holds less than it states");
    }
    return new Blob(pieces).text();
  }

  function parsed(text, what) {
    try {
      return JSON.parse(text);
    } catch {
      throw new EC.BundleError(`${what} is not JSON`, { advice: EC.ALTERED, code: "format" });
    }
  }

  const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});

  /** A row of plain texts: whatever else a line holds is left to who reads the member. */
  const rowOf = (keys, value) => {
    const text = (one) => (["string", "number"].includes(typeof one) ? String(one) : "");
    return Object.fromEntries(keys.map((key) => [key, text(object(value)[key])]));
  };

  /**
   * Read a list of a delta: one JSON object a line, of which `change` ("added", "changed" or "removed"), `kind`,
   * `source`, `id`, `locator` and `tenant` are shown.
   */
  async function delta(bundle, path, { signal } = {}) {
    const data = await bundle.member(path).checked({ signal, most: PACKED });
    const lines = (await plainOf(data, path, signal)).split("\n").filter(Boolean);
    return { rows: lines.map((line, place) => rowOf(DELTA, parsed(line, `${path}, line ${place + 1}`))), unlisted: 0 };
  }

  /** How many an entry stands for without naming them: its count, beyond its examples. */
  function unnamed({ count, examples }) {
    const named = Array.isArray(examples) ? examples.length : 1;
    return Number.isSafeInteger(count) ? Math.max(0, count - named) : 0;
  }

  /**
   * Read a Trivy report's list of what could not be expressed; entries that stand for many show their examples.
   * @returns {Promise<{rows: object[], unlisted: number}>} and how many are only counted
   */
  async function report(bundle, path, { signal } = {}) {
    const data = await bundle.member(path).checked({ signal, most: PACKED });
    const { unexpressed } = object(parsed(new TextDecoder().decode(data), path));
    const entries = Array.isArray(unexpressed) ? unexpressed : [];
    const each = (entry) => (Array.isArray(object(entry).examples) ? entry.examples.map((one) => ({ ...entry, ...object(one) })) : [entry]);
    const unlisted = entries.reduce((sum, entry) => sum + unnamed(object(entry)), 0);
    return { rows: entries.flatMap(each).map((entry) => rowOf(REPORT, entry)), unlisted };
  }

  function columnsOf(keys, rows) {
    const used = keys.filter((key) => rows.some((row) => row[key] !== ""));
    const title = (key) => (key === "id" ? "Id" : key[0].toUpperCase() + key.slice(1));
    return used.map((key) => ({
      key,
      title: title(key),
      primary: key === "id",
      facet: FACETS.has(key),
      width: NARROW.has(key) ? "8rem" : undefined,
      wide: ["tenant", "locator", "source"].includes(key),
    }));
  }

  function show(place, { rows, unlisted }, keys) {
    const { list, title } = place.dataset;
    if (!rows.length && !unlisted) return place.replaceChildren(EC.dom.h("p", { class: "note" }, "None."));
    const columns = columnsOf(keys, rows);
    const caption = unlisted ? `${title} and is named; ${EC.dom.number(unlisted)} more are only counted` : title;
    const table = EC.table.create({ id: list, caption, columns, rows, unlisted, unit: "entries" });
    return place.replaceChildren(table.element);
  }

  async function fill(place, bundle) {
    const { member, title, form } = place.dataset;
    place.replaceChildren(EC.dom.h("p", { class: "note", role: "status" }, `Reading ${title.toLowerCase()} …`));
    try {
      const found = await (form === "report" ? report : delta)(bundle, member);
      show(place, found, form === "report" ? REPORT : DELTA);
    } catch (error) {
      place.replaceChildren(EC.dom.h("p", { class: "remark" }, [error.message, error.advice].filter(Boolean).join(". ")));
    }
  }

  function button(place, bundle) {
    const load = EC.dom.h("button", { type: "button", class: "copy", onclick: () => fill(place, bundle) }, "Show all");
    place.replaceChildren(EC.dom.h("p", { class: "note" }, load));
  }

  EC.start("lists", () => {
    const places = Array.from(document.querySelectorAll("[data-list]"));
    if (!places.length) return;
    EC.opened.on((bundle) => {
      for (const place of places) (EC.state.asks(place.dataset.list) ? fill : button)(place, bundle);
    });
    if (EC.opened.reachable()) EC.opened.here().catch(() => {});
  });

  EC.lists = { delta, report };
})();
