// One side of a comparison: a bundle of this site, by its name, or one that the reader drops or chooses.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const OFFERED = 500;

  const askedBy = (...request) => (EC.session ? EC.session.fetch(...request) : fetch(...request));

  class Side {
    /**
     * @param {"a" | "b"} letter
     * @param {object[]} rows what the site knows
     * @param {() => void} changed called when this side is another bundle, or none, or failed
     */
    constructor(letter, rows, changed) {
      Object.assign(this, { letter, changed, row: null, manifest: null, bundle: null, error: null, turn: 0 });
      this.rows = new Map(rows.filter((row) => row.bundle).map((row) => [row.name, row]));
      this.build();
    }

    get name() {
      return this.row?.name ?? this.bundle?.name ?? "";
    }

    build() {
      const { h, visible } = EC.dom;
      const [id, title] = [`side-${this.letter}`, `${this.letter.toUpperCase()}, ${this.letter === "a" ? "before" : "after"}`];
      const option = (row) => h("option", { value: row.name }, `${visible(row.profile)}, ${EC.known.timeOf(row).slice(0, 16)}`);
      const list = h("datalist", { id: `${id}-list` }, [...this.rows.values()].slice(0, OFFERED).map(option));
      this.input = h("input", { id, type: "search", list: list.id, autocomplete: "off", spellcheck: "false", placeholder: "name of a run or bundle" });
      this.input.addEventListener("change", () => this.known(this.input.value.trim()));
      this.said = h("p", { class: "note said", role: "status" });
      this.dropped = h("div");
      EC.choose(this.dropped, (chosen) => this.take(chosen), "Or drop a bundle here: its archive, or the folder it was extracted to.");
      const named = this.rows.size ? [h("p", { class: "tools" }, h("label", { for: id }, "Of this site"), this.input, list)] : [];
      this.element = h("section", { class: "side", "aria-label": title }, h("h2", {}, title), named, this.dropped, this.said);
      this.say();
    }

    /** Take a bundle of the site; "" takes none. */
    async known(name) {
      const turn = this.reset();
      this.input.value = name;
      if (!name) return this.done(turn);
      const row = this.rows.get(name);
      if (!row) return this.done(turn, new Error(`this site has no bundle called ${name}`));
      this.said.textContent = "Reading …";
      try {
        const manifest = await EC.known.manifest(name);
        if (turn === this.turn) Object.assign(this, { row, manifest });
        return this.done(turn);
      } catch (error) {
        return this.done(turn, error);
      }
    }

    /** Take a bundle that was dropped or chosen. Of a known one that cannot be read from here, it becomes the bytes. */
    async take(chosen) {
      const wanted = this.row && !this.readable ? this.manifest.contentDigest : null;
      const row = this.row;
      const turn = this.reset();
      try {
        const bundle = await EC.container.open(await EC.source.of(chosen));
        if (turn !== this.turn) return;
        const same = wanted === bundle.manifest.contentDigest;
        Object.assign(this, { bundle, manifest: bundle.manifest, row: same ? row : null });
        this.input.value = this.row?.name ?? "";
        this.done(turn);
      } catch (error) {
        this.done(turn, error);
      }
    }

    reset() {
      Object.assign(this, { row: null, manifest: null, bundle: null, error: null });
      return (this.turn += 1);
    }

    done(turn, error = null) {
      if (turn !== this.turn) return;
      this.error = error;
      this.say();
      this.changed();
    }

    say() {
      const { h, number, visible } = EC.dom;
      this.said.classList.toggle("bad", Boolean(this.error));
      if (this.error) return void (this.said.textContent = EC.records.words(this.error));
      const { manifest } = this;
      if (!manifest) return void (this.said.textContent = "Nothing is chosen yet.");
      const what = `${visible(manifest.profile.id)}, revision ${manifest.profile.revision}, as of ${visible(manifest.asOf)}, ${number(manifest.counts.records)} records`;
      const page = this.row && h("a", { href: EC.known.pageOf(this.row) }, visible(this.row.name));
      return void this.said.replaceChildren(page ?? visible(this.name), `: ${what}`);
    }

    /** Whether its records can be read from here: it was dropped, or lies where this page can fetch it. */
    get readable() {
      return Boolean(this.bundle) || Boolean(this.row?.archive && !EC.known.fromFile());
    }

    /** The bundle, opened; over HTTP by ranges. */
    async open(signal) {
      if (this.bundle) return this.bundle;
      const url = new URL(EC.known.archive(this.row), location.href).href;
      const from = this.row.layout === "dir" ? EC.source.fromSiblings : EC.source.fromUrl;
      this.bundle = await EC.container.open(await from(url, { fetch: askedBy, name: this.row.name }), { signal });
      return this.bundle;
    }
  }

  EC.side = (letter, rows, changed) => new Side(letter, rows, changed);
})();
