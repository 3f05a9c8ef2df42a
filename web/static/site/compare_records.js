// Which records differ between two bundles: told from their indexes, named and opened when somebody wants to see them.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const LIMIT = 20_000;
  const ROW = 112;
  const AT_ONCE = 8 << 20;
  const SHOWN_CHANGES = 200;

  const indexBytes = (manifest) => manifest.members.reduce((sum, one) => sum + (one.framesSha256 ? one.records * ROW : 0), 0);

  const short = (bytes) => Array.from(bytes.subarray(0, 6), (one) => one.toString(16).padStart(2, "0")).join("");

  class Records {
    constructor(place, sides) {
      Object.assign(this, { place, sides, work: new AbortController(), changes: [], rows: [] });
      const { h } = EC.dom;
      this.said = h("p", { class: "note", role: "status" });
      this.buttons = h("p", { class: "buttons" });
      this.listed = h("div");
      this.opened = h("div", { class: "opened" });
      place.replaceChildren(this.said, this.buttons, this.listed, this.opened);
      this.begin();
    }

    /** Give up what runs, and follow the address no longer. */
    end() {
      this.work.abort();
      this.stop?.();
    }

    /** Say what can be done, and do it at once when it costs little. */
    begin() {
      const { size } = EC.dom;
      const [a, b] = this.sides;
      const missing = this.sides.filter((side) => !side.readable).map((side) => side.letter.toUpperCase());
      if (missing.length) {
        const why = EC.known.fromFile() ? "a page opened from a file cannot read what lies beside it" : "this site does not carry it";
        this.said.textContent = `To compare records, drop ${missing.join(" and ")} above: ${why}.`;
        return;
      }
      if (a.manifest.contentDigest === b.manifest.contentDigest) {
        this.said.textContent = "No record differs: contentDigest is the same.";
        return;
      }
      const bytes = indexBytes(a.manifest) + indexBytes(b.manifest);
      this.said.textContent = `The indexes of both are read for this: ${size(bytes)} at most.`;
      if (bytes <= AT_ONCE) this.compare();
      else this.offer("Compare records", () => this.compare());
    }

    offer(label, act) {
      this.buttons.replaceChildren(EC.dom.h("button", { type: "button", class: "button main", onclick: act }, label));
    }

    stopper() {
      this.buttons.replaceChildren(EC.dom.h("button", { type: "button", class: "button", onclick: () => this.work.abort() }, "Stop"));
    }

    async compare() {
      this.work = new AbortController();
      const { signal } = this.work;
      this.stopper();
      try {
        this.pair = await Promise.all(this.sides.map((side) => side.open(signal)));
        await this.merge(signal);
        this.show();
      } catch (error) {
        this.failed(error, "Compare again", () => this.compare());
      }
    }

    async merge(signal) {
      const { number } = EC.dom;
      let told = 0;
      this.changes = [];
      const progress = (news) => {
        this.news = news;
        if (performance.now() - told < 200) return;
        told = performance.now();
        this.said.textContent = `${number(news.read)} of ${number(news.rows)} index rows read; ${number(news.listed)} differences so far.`;
      };
      for await (const change of EC.container.compare(...this.pair, { signal, progress, limit: LIMIT })) this.changes.push(change);
    }

    failed(error, label, again) {
      const stopped = error?.name === "AbortError" || this.work.signal.aborted;
      this.said.textContent = stopped ? "Stopped before the end; nothing is said of the rest." : EC.records.words(error);
      this.said.classList.toggle("bad", !stopped);
      this.offer(label, again);
    }

    show() {
      this.rows = this.changes.map((change) => this.row(change));
      this.summary();
      if (!this.rows.length) return;
      this.table = EC.table.create({
        id: "changes",
        caption: "Records by their key: tenant, source, kind, id and locator. Ids are in the records, which are read when you ask.",
        columns: this.columns(),
        rows: this.rows,
        unit: "differences",
        onopen: (row) => EC.state.set({ change: row.key }),
        empty: "No difference matches.",
      });
      this.listed.replaceChildren(this.table.element);
      this.stop?.();
      this.stop = EC.state.onchange((now, before) => now.change !== before.change && this.follow());
      this.follow();
      this.naming();
    }

    /** Open the difference that the address names, or none. */
    follow() {
      const { change } = EC.state.get();
      const row = change && this.rows.find(({ key }) => key === change);
      if (row) return this.open(row);
      const none = change ? EC.dom.h("p", { class: "remark" }, "The difference that the address names is not among those listed.") : "";
      return this.opened.replaceChildren(none);
    }

    row(change) {
      const { change: what, member } = change;
      return { change: what, member, id: "", kind: "", source: "", locator: "", key: short(change.row.keyHash), of: change };
    }

    columns() {
      const { h, visible } = EC.dom;
      const id = (row) => (row.id ? h("span", {}, visible(row.id)) : h("span", { class: "quiet" }, `key ${row.key}…`));
      return [
        { key: "id", title: "Record", primary: true, cell: id, width: "minmax(0, 1.5fr)" },
        { key: "change", title: "Change", facet: true, width: "6rem" },
        { key: "kind", title: "Type", facet: true, width: "6rem", wide: true },
        { key: "source", title: "Source", facet: true, width: "minmax(0, 1fr)" },
        { key: "locator", title: "Locator", wide: true, width: "minmax(0, 1.5fr)" },
        { key: "member", title: "Member", facet: true, wide: true, width: "minmax(0, 1.2fr)" },
        { key: "key", title: "Key", hidden: true },
      ];
    }

    /** All numbers, also those that the list leaves out. */
    summary() {
      const { h, number, size } = EC.dom;
      const { counts, whole } = this.news;
      const sum = (what) => [...counts.values()].reduce((all, one) => all + one[what], 0);
      const said = `${number(sum("added"))} added, ${number(sum("changed"))} changed, ${number(sum("removed"))} removed, ${number(sum("same"))} the same.`;
      const moved = this.pair.reduce((all, bundle) => all + bundle.bytesRead, 0);
      const rest = whole ? "" : ` The list has the first ${number(LIMIT)} only; \`export-center bundle diff\` has all.`;
      this.said.replaceChildren(h("strong", {}, said), `${rest} ${size(moved)} were read.`);
      this.buttons.replaceChildren();
    }

    partial() {
      const unnamed = this.rows.filter((row) => !row.id).length;
      const said = [!this.news.whole && `the first ${LIMIT} differences only`, unnamed && `the ids of ${unnamed} were not read`];
      this.table.partial = said.filter(Boolean).join("; ") || undefined;
    }

    /** Frames that hold the changes, and about how many bytes they are. */
    get cost() {
      const frames = new Map();
      for (const { change, member, row } of this.changes) {
        const bundle = this.pair[change === "removed" ? 0 : 1];
        const key = `${bundle === this.pair[0]} ${member} ${row.frame}`;
        const listed = bundle.members.get(member).listed;
        frames.set(key, Math.min(listed.bytes, (listed.bytes / Math.max(1, listed.plainBytes)) * bundle.manifest.toolchain.frameMean));
      }
      return { frames: frames.size, bytes: Math.round([...frames.values()].reduce((sum, one) => sum + one, 0)) };
    }

    naming() {
      const { number, size } = EC.dom;
      this.partial();
      const { frames, bytes } = this.cost;
      if (bytes <= AT_ONCE) this.name();
      else this.offer(`Read their ids: ${number(frames)} frames, about ${size(bytes)}`, () => this.name());
    }

    async name() {
      this.work = new AbortController();
      const { signal } = this.work;
      const rows = new Map(this.rows.map((row) => [row.of, row]));
      const byPlace = new Map(this.changes.map((change) => [change.row, rows.get(change)]));
      this.stopper();
      try {
        for await (const found of EC.container.resolve(...this.pair, this.changes, { signal })) {
          const { id, kind, source, locator } = found;
          Object.assign(byPlace.get(found.row), { id, kind, source, locator });
        }
        this.summary();
      } catch (error) {
        this.failed(error, "Read the other ids", () => this.name());
      }
      // New objects: what the filter remembers of a row belongs to the row.
      this.rows = this.rows.map((row) => ({ ...row }));
      this.table.setRows(this.rows);
      this.partial();
    }

    /** Show one difference: the record, and of a changed one what changed in it. */
    async open(row) {
      const { h, visible } = EC.dom;
      const { change, member, before } = row.of;
      this.opened.replaceChildren(h("p", { class: "note", role: "status" }, "Reading …"));
      try {
        const hit = await EC.container.recordOf(...this.pair, row.of);
        const older = before && (await EC.lookup.read(this.pair[0], member, before));
        // Closed, or another one asked for, while it was read.
        if (EC.state.get().change !== row.key) return;
        const close = h("button", { type: "button", class: "button", onclick: () => EC.state.set({ change: null }) }, "Close");
        const title = h("h3", { tabindex: -1 }, `${visible(hit.id)}: ${change}`);
        const view = EC.record.view({ ...hit, line: hit.text }, { file: this.sides[change === "removed" ? 0 : 1].name });
        this.opened.replaceChildren(title, close, older ? fields(...[older, hit].map((one) => EC.json.parse(one.text))) : "", view);
        title.focus();
      } catch (error) {
        this.opened.replaceChildren(h("p", { class: "remark", role: "alert" }, EC.records.words(error)));
      }
    }
  }

  /** What changed in a record, as a table of fields. */
  function fields(before, after) {
    const { h, shorten, visible } = EC.dom;
    const found = [...EC.compareWords.changes(before, after)];
    const cell = (value, side) => h("td", { "data-label": side }, value === undefined ? h("span", { class: "quiet" }, "nothing") : visible(shorten(EC.compareWords.text(value), 600)));
    const row = ({ path, a, b }) => h("tr", {}, h("th", { scope: "row" }, visible(path)), cell(a, "A"), cell(b, "B"));
    const rest = found.length - SHOWN_CHANGES;
    if (!found.length) return h("p", { class: "note" }, "Only the order of fields changed, or how their texts are escaped: both say the same.");
    return h(
      "div",
      { class: "scroll" },
      h("table", { class: "sides" }, h("caption", {}, `What changed in it${rest > 0 ? `; ${rest} more fields changed` : ""}`),
        h("thead", {}, h("tr", {}, ["Field", "A", "B"].map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, found.slice(0, SHOWN_CHANGES).map(row))),
    );
  }

  EC.compareRecords = (place, sides) => new Records(place, sides);
})();
