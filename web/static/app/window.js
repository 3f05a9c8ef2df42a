// The second half of the windowed table: which rows are in the page, the keyboard, facets, and print.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { Table, className, NOTHING, OVERSCAN, PRINTED, NARROW, HEIGHT } = EC.tableParts;
  const MOST_CHOICES = 200;

  Object.assign(Table.prototype, {
    /** The first row that is rendered and the row behind the last one. */
    range() {
      const height = this.rowHeight;
      const seen = Math.ceil((this.view.clientHeight || 600) / height);
      const first = Math.max(0, Math.floor(this.view.scrollTop / height) - OVERSCAN);
      return [first, Math.min(this.shown.length, first + seen + 2 * OVERSCAN)];
    },

    resize() {
      this.rowHeight = matchMedia(NARROW).matches ? HEIGHT.narrow : HEIGHT.wide;
      this.view.style.setProperty("--row", `${this.rowHeight}px`);
      this.body.style.height = `${this.rowHeight * this.shown.length}px`;
      this.drawn = "";
      this.paint();
    },

    paint() {
      if (this.printing) return;
      const [first, end] = this.range();
      if (this.drawn === `${first}-${end}`) return;
      this.drawn = `${first}-${end}`;
      this.body.replaceChildren(...this.shown.slice(first, end).map((row, place) => this.row(row, first + place)));
      this.point();
    },

    row(row, place) {
      const { h } = EC.dom;
      const cells = this.columns.map((column) => this.cell(column, row));
      const names = { role: "row", "aria-rowindex": place + 2, id: `${this.options.id}-row-${place}` };
      const element = h("tr", { ...names, class: this.options.onopen ? "opens" : null }, cells);
      element.dataset.place = place;
      if (!this.printing) element.style.top = `${place * this.rowHeight}px`;
      return element;
    },

    cell(column, row) {
      const text = EC.dom.brief(EC.rows.textOf(column, row));
      const content = column.cell ? column.cell(row) : text;
      const names = { class: className(column), title: text || null, "data-label": column.title };
      if (column.primary) return EC.dom.h("th", { role: "rowheader", scope: "row", ...names }, content);
      return EC.dom.h("td", { role: "gridcell", ...names }, content);
    },

    // -- keyboard and mouse -----------------------------------------------------------------------------------------

    pressed(event) {
      if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
      const page = Math.max(1, Math.floor(this.view.clientHeight / this.rowHeight) - 2);
      const last = this.shown.length - 1;
      const places = {
        ArrowDown: this.active + 1,
        ArrowUp: this.active - 1,
        PageDown: this.active + page,
        PageUp: this.active - page,
        Home: 0,
        End: last,
      };
      if (event.key in places) this.go(Math.min(last, Math.max(0, places[event.key])));
      else if (event.key === "Enter" && this.active >= 0) this.open(this.active);
      else return;
      event.preventDefault();
    },

    /** Make a row the active one and bring it into view, below the sticky header. */
    go(place) {
      this.active = place;
      const head = this.head.parentElement.offsetHeight + 1;
      const highest = this.body.offsetTop - head + place * this.rowHeight;
      const lowest = highest + head + this.rowHeight - this.view.clientHeight;
      this.view.scrollTop = Math.max(lowest, Math.min(highest, this.view.scrollTop));
      this.paint();
      this.point();
    },

    point() {
      const row = document.getElementById(`${this.options.id}-row-${this.active}`);
      this.body.querySelector(".active")?.classList.remove("active");
      row?.classList.add("active");
      if (row) this.grid.setAttribute("aria-activedescendant", row.id);
      else this.grid.removeAttribute("aria-activedescendant");
    },

    open(place) {
      const row = this.shown[place];
      if (this.options.onopen) return this.options.onopen(row);
      return document.getElementById(`${this.options.id}-row-${place}`)?.querySelector("a, button")?.click();
    },

    clicked(event) {
      const row = event.target.closest("tr");
      if (!row || event.target.closest("a, button") || String(getSelection())) return;
      this.active = Number(row.dataset.place);
      this.point();
      if (this.options.onopen) this.open(this.active);
    },

    // -- facets -----------------------------------------------------------------------------------------------------

    fillFacets() {
      for (const column of this.columns.filter((one) => one.facet)) {
        const chosen = this.query.facets[column.key];
        const select = this.facets.get(column.key) ?? this.addFacet(column);
        if (select.rows !== this.all) this.fillFacet(select, column, chosen);
        select.value = chosen === undefined ? "" : chosen || NOTHING;
      }
    },

    addFacet(column) {
      const select = EC.dom.h("select", { "aria-label": column.title, onchange: () => this.changed(false) });
      this.facets.set(column.key, select);
      this.choices.append(select);
      return select;
    },

    fillFacet(select, column, chosen) {
      const { h, number, shorten, visible } = EC.dom;
      const found = EC.rows.counts(this.all, column).slice(0, MOST_CHOICES);
      if (chosen !== undefined && !found.some(([text]) => text === chosen)) found.push([chosen, 0]);
      const choice = ([text, count]) =>
        h("option", { value: text || NOTHING }, `${visible(shorten(text || NOTHING, 40))} (${number(count)})`);
      // One value is no choice.
      select.hidden = found.length < 2 && chosen === undefined;
      select.replaceChildren(h("option", { value: "" }, `${column.title}: all`), ...found.map(choice));
      select.rows = this.all;
    },

    // -- print ------------------------------------------------------------------------------------------------------

    /** While printing every row stands in the page, up to a limit that is said. */
    print(begins) {
      this.printing = begins;
      this.view.classList.toggle("printing", begins);
      if (!begins) return this.resize();
      const printed = this.shown.slice(0, PRINTED);
      this.body.style.height = "auto";
      this.body.replaceChildren(...printed.map((row, place) => this.row(row, place)));
      this.printed.hidden = !this.note && printed.length === this.shown.length;
      const rest = printed.length < this.shown.length;
      const words = [this.note && `Filtered: ${this.note}.`, rest && this.restOf(printed.length)];
      this.printed.textContent = words.filter(Boolean).join(" ");
    },

    restOf(count) {
      const { number } = EC.dom;
      return `Printed are the first ${number(count)} of ${number(this.shown.length)} ${this.options.unit}; the CSV has all.`;
    },
  });

  /**
   * Make a windowed table; put `table.element` into the page, and other rows in with `table.setRows(rows)`. When they
   * are not all there are, `table.partial` says why: exports and their names then say so too.
   *
   * Options: `id` (unique in the page; prefix of the permalink's keys and of exported files), `caption`, `columns`,
   * `rows` (objects), `unit` ("runs"), `sort` ("key" or "-key" at first), `onopen(row)` (Enter and click), `empty`
   * (text when nothing matches), `unlisted` (how many more there are, of which nothing is known but their number), `filter` (placeholder), `state: false` (no permalink), `exports: false`.
   *
   * A column: `key` (field, and its name in exports), `title`, `value(row)` (to sort and export; else the field),
   * `text(row)` (to show and filter; else the value), `cell(row)` (a node to show instead), `number` (right-aligned),
   * `primary` (the row's header), `wide` (left out at 360 px), `hidden` (only in exports; with
   * `words`, the filter finds it too), `facet` (a choice of its values), `width` (a grid track: "9rem", "minmax(0, 2fr)"), `sort: false`, `descending` (first click sorts down), `exported: false`.
   */
  EC.table = { create: (options) => new Table(options) };
  delete EC.tableParts;
})();
