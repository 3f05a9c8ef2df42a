// A windowed table: any number of rows, some dozens of them in the page. Filter, facets, sort, keyboard, export, print.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const OVERSCAN = 12;
  const PRINTED = 2_000;
  const NARROW = "(max-width: 44rem)";
  const HEIGHT = { wide: 40, narrow: 68 };

  const WARMED = 1_000;
  const idle = (act) => (globalThis.requestIdleCallback ? requestIdleCallback(act) : setTimeout(act, 50));

  class Table {
    constructor(options) {
      this.options = { unit: "rows", state: true, facets: true, exports: true, ...options };
      this.columns = options.columns.filter((column) => !column.hidden);
      this.searched = options.columns.filter((column) => !column.hidden || column.words);
      this.within = null;
      this.all = options.rows ?? [];
      this.shown = this.all;
      this.active = -1;
      this.facets = new Map();
      this.build();
      this.listen();
      this.readState();
      this.warm();
    }

    /** Get ready for the first filter while nothing else is to be done, so that it answers at once. */
    warm() {
      const { all } = this;
      let place = 0;
      const step = () => {
        if (this.all !== all || place >= all.length) return;
        place = EC.rows.warm(all, this.searched, place, WARMED);
        idle(step);
      };
      if (all.length > WARMED) idle(step);
    }

    /** How many rows there are, with those that are only counted (`unlisted`). */
    get total() {
      return this.all.length + (this.options.unlisted ?? 0);
    }

    key(name) {
      return `${this.options.id}.${name}`;
    }

    build() {
      const { h } = EC.dom;
      const { id, caption } = this.options;
      this.body = h("tbody", { role: "rowgroup" });
      this.head = h("tr", { role: "row", "aria-rowindex": 1 }, this.columns.map((column) => this.heading(column)));
      this.title = h("caption", { id: `${id}-caption` }, caption);
      this.grid = h(
        "table",
        { role: "grid", tabindex: 0, id: `${id}-grid`, class: "window-grid", "aria-labelledby": `${id}-caption` },
        this.title,
        h("thead", { role: "rowgroup" }, this.head),
        this.body,
      );
      this.view = h("div", { class: "window" }, this.grid);
      this.none = h("p", { class: "none", hidden: true }, this.options.empty ?? `No ${this.options.unit} match.`);
      this.printed = h("p", { class: "note printed", hidden: true });
      this.element = h("div", { class: "windowed", id }, this.tools(), this.view, this.none, this.printed);
      const tracks = this.columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ");
      this.view.style.setProperty("--tracks", tracks);
    }

    heading(column) {
      const { h } = EC.dom;
      const names = { role: "columnheader", scope: "col", class: className(column) };
      if (column.sort === false) return h("th", names, column.title);
      const button = h("button", { type: "button", class: "sort", onclick: () => this.sortBy(column) }, column.title);
      return h("th", names, button);
    }

    tools() {
      const { h } = EC.dom;
      const { id, filter, exports } = this.options;
      this.words = h("input", { type: "search", id: `${id}-words`, autocomplete: "off", spellcheck: "false" });
      this.words.placeholder = filter ?? "words";
      this.count = h("output", { for: `${id}-words` });
      this.choices = h("span", { class: "facets" });
      const button = (kind) =>
        h("button", { type: "button", class: "copy", onclick: () => this.export(kind) }, kind.toUpperCase());
      const keep = exports && h("span", { class: "exports", role: "group", "aria-label": "Export" }, ["csv", "json"].map(button));
      const label = h("label", { for: `${id}-words` }, "Filter");
      return h("div", { class: "tools" }, label, this.words, this.choices, this.count, keep);
    }

    listen() {
      this.words.addEventListener("input", () => this.changed(true));
      this.words.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.clear();
      });
      this.view.addEventListener("scroll", () => this.paint(), { passive: true });
      this.grid.addEventListener("keydown", (event) => this.pressed(event));
      this.body.addEventListener("click", (event) => this.clicked(event));
      new ResizeObserver(() => this.paint()).observe(this.view);
      this.listenOutside();
    }

    /** Listen to what outlives the table, until it was taken out of the page. */
    listenOutside() {
      const ending = new AbortController();
      const { signal } = ending;
      let was = false;
      const there = (act) => (...told) => {
        was ||= this.element.isConnected;
        if (this.element.isConnected) act(...told);
        else if (was) ending.abort();
      };
      addEventListener("beforeprint", there(() => this.print(true)), { signal });
      addEventListener("afterprint", there(() => this.print(false)), { signal });
      matchMedia(NARROW).addEventListener("change", there(() => this.resize()), { signal });
      if (!this.options.state) return;
      const stop = EC.state.onchange((now, before) => this.moved(now, before));
      signal.addEventListener("abort", stop);
    }

    /** Leave out rows that a function refuses; `note` says so in exports. Null takes all of them again. */
    narrow(test, note) {
      this.within = test && { test, note };
      this.apply();
    }

    /** Put other rows in; filter, sort and place stay. */
    setRows(rows) {
      const { scrollTop } = this.view;
      const { active } = this;
      this.all = rows;
      this.warm();
      this.readState();
      this.active = Math.min(active, this.shown.length - 1);
      this.view.scrollTop = scrollTop;
      this.paint();
    }

    // -- what is asked for ------------------------------------------------------------------------------------------

    readState(state = this.options.state ? EC.state.get() : (this.kept ?? {})) {
      const facets = this.columns.filter((column) => column.facet && state[this.key(column.key)] !== undefined);
      this.query = {
        words: state[this.key("q")] ?? "",
        facets: Object.fromEntries(facets.map((column) => [column.key, unwrapped(state[this.key(column.key)])])),
        sort: state[this.key("sort")] ?? this.options.sort ?? "",
      };
      if (this.words.value !== this.query.words) this.words.value = this.query.words;
      this.fillFacets();
      this.apply();
    }

    moved(now, before) {
      const mine = (state) => JSON.stringify(Object.entries(state).filter(([key]) => key.startsWith(this.key(""))).sort());
      if (mine(now) !== mine(before)) this.readState(now);
    }

    write(patch, replace) {
      if (this.options.state) return EC.state.set(patch, { replace });
      this.kept = { ...this.kept, ...patch };
      for (const key of Object.keys(this.kept)) if ((this.kept[key] ?? "") === "") delete this.kept[key];
      return this.readState();
    }

    changed(replace) {
      const patch = { [this.key("q")]: this.words.value };
      for (const [key, select] of this.facets) patch[this.key(key)] = select.value;
      this.write(patch, replace);
    }

    clear() {
      this.words.value = "";
      this.changed(true);
    }

    sortBy(column) {
      const descending = this.query.sort === column.key || (column.descending && this.query.sort !== `-${column.key}`);
      this.write({ [this.key("sort")]: `${descending ? "-" : ""}${column.key}` }, false);
    }

    // -- what is shown ----------------------------------------------------------------------------------------------

    apply() {
      const name = this.query.sort.replace(/^-/, "");
      const column = this.columns.find((one) => one.key === name);
      const inside = this.within ? this.all.filter(this.within.test) : this.all;
      const found = EC.rows.filter(inside, this.searched, this.query);
      this.shown = column ? EC.rows.sort(found, column, this.query.sort.startsWith("-")) : found;
      const said = EC.rows.said(this.query, this.columns, this.shown.length, this.total, this.within?.note);
      const unlisted = this.options.unlisted && `${this.options.unlisted} are counted and not named`;
      this.note = [said, unlisted, this.partial].filter(Boolean).join("; ");
      this.active = -1;
      this.view.scrollTop = 0;
      this.mark(column);
      this.say();
      this.resize();
    }

    mark(column) {
      this.columns.forEach((one, place) => {
        const order = this.query.sort.startsWith("-") ? "descending" : "ascending";
        if (one === column) this.head.cells[place].setAttribute("aria-sort", order);
        else this.head.cells[place].removeAttribute("aria-sort");
      });
    }

    say() {
      const { number } = EC.dom;
      const [shown, total] = [this.shown.length, this.total].map(number);
      const { unit } = this.options;
      const counted = this.total === 1 ? unit.replace(/ies$/, "y").replace(/s$/, "") : unit;
      this.count.textContent = this.note ? `${shown} of ${total} ${counted}` : `${total} ${counted}`;
      this.none.hidden = this.shown.length > 0;
      this.view.hidden = !this.shown.length;
      this.grid.setAttribute("aria-rowcount", this.shown.length + 1);
      this.grid.setAttribute("aria-colcount", this.columns.length);
    }

    export(kind) {
      const { id } = this.options;
      const columns = this.options.columns.filter((column) => column.exported !== false);
      const [shown, total] = [this.shown.length, this.total];
      const text =
        kind === "csv" ? EC.rows.csv(this.shown, columns, this.note) : EC.rows.json(this.shown, columns, this.note, total);
      const type = kind === "csv" ? "text/csv;charset=utf-8" : "application/json";
      EC.dom.download(EC.rows.fileName(id, this.note, shown, total, kind), text, type);
    }
  }

  const className = (column) =>
    [column.class, column.number && "num", column.primary && "primary", column.wide && "wide-only"].filter(Boolean).join(" ");

  const NOTHING = "(none)";
  const unwrapped = (value) => (value === NOTHING ? "" : value);

  EC.tableParts = { Table, className, NOTHING, OVERSCAN, PRINTED, NARROW, HEIGHT };
})();
