// Rows of records that were found or browsed, in a table that fills while they stream in.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  /** More rows than anybody reads; what is beyond is said, never silently left out. */
  const MOST = 20_000;
  /** Rows are drawn so often while they come in, in milliseconds; more seldom when there are many. */
  const EVERY = 120;

  const UNREAD = "(this document cannot be read down here)";

  /** What a document says, in a row; one that cannot be read down has a row all the same. */
  function said(record) {
    try {
      const { title, subject, packages, aliases } = EC.facts.of(record);
      return { title: title || subject || packages[0] || "", aliases: aliases.join(" ") };
    } catch {
      return { title: UNREAD, aliases: "" };
    }
  }

  /** What a table says of a hit; the record itself is read again when it is opened. */
  function row(hit) {
    const { record, member, frame, offset } = hit;
    const text = (key) => EC.facts.text(record, key);
    const { title, aliases } = said(record);
    return {
      id: hit.id,
      title,
      kind: text("kind") || "evaluation",
      source: text("source"),
      format: text("format"),
      modified: text("modified"),
      aliases,
      observationId: text("observationId"),
      member,
      frame,
      offset,
    };
  }

  /** The state that opens a record: its id, and enough of its observation to tell it from others with that id. */
  const stateOf = (one) => ({ record: one.id, o: one.observationId.slice(0, 12) || null });

  const hrefOf = (one) => EC.state.format("", { ...EC.state.get(), ...compact(stateOf(one)) });
  const compact = (state) => Object.fromEntries(Object.entries(state).filter(([, value]) => value));

  function columns() {
    const { h, brief } = EC.dom;
    const open = (one) => h("a", { href: hrefOf(one), class: "open", tabindex: -1 }, brief(one.id));
    return [
      { key: "id", title: "Record", primary: true, cell: open, width: "minmax(0, 1.4fr)" },
      { key: "title", title: "Title or subject", width: "minmax(0, 2.4fr)" },
      { key: "kind", title: "Kind", facet: true, width: "5.5rem" },
      { key: "source", title: "Source", facet: true, width: "minmax(0, 1fr)" },
      { key: "modified", title: "Modified", text: (one) => one.modified.slice(0, 10), width: "6rem", wide: true },
      { key: "format", title: "Format", hidden: true },
      { key: "aliases", title: "Aliases", hidden: true },
      { key: "observationId", title: "Observation", hidden: true },
      { key: "member", title: "Member", hidden: true },
    ];
  }

  class Found {
    /** @param {Element} element @param {(row: object) => void} open */
    constructor(element, open) {
      this.rows = [];
      this.table = EC.table.create({
        id: "found",
        caption: "Records",
        unit: "records",
        columns: columns(),
        onopen: open,
        filter: "words in these rows",
        empty: "No record among these has them.",
      });
      this.table.element.hidden = true;
      element.append(this.table.element);
    }

    begin(caption) {
      this.rows = [];
      this.table.title.textContent = caption;
      this.table.partial = "";
      this.table.element.hidden = true;
    }

    /** Take hits until they end or there are too many; returns whether that was all of them. */
    async fill(hits, signal) {
      let drawn = 0;
      for await (const hit of hits) {
        if (signal.aborted) return false;
        if (this.rows.length >= MOST) return false;
        this.rows.push(row(hit));
        if (performance.now() - drawn > EVERY + this.rows.length / 20) drawn = this.draw();
      }
      return true;
    }

    draw() {
      this.table.element.hidden = this.rows.length === 0;
      this.table.setRows([...this.rows]);
      return performance.now();
    }

    /** Say that these rows are not all there are: in the table and in what is exported. */
    finish(partial) {
      this.table.partial = partial;
      this.draw();
    }
  }

  EC.found = { Found, row, stateOf, hrefOf, MOST };
})();
