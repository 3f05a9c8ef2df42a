// The table of members: filtered and sorted in place, and both kept in the page's address.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const WORDS = "members.q";
  const SORT = "members.sort";

  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  class Members {
    constructor(table) {
      this.table = table;
      this.rows = Array.from(table.tBodies[0].rows);
      this.first = [...this.rows];
      this.heads = Array.from(table.tHead.rows[0].cells).filter((head) => head.dataset.sort);
      this.filter = document.getElementById("filter");
      this.shown = document.getElementById("shown");
      this.none = document.getElementById("none");
    }

    start() {
      this.heads.forEach((head) => this.button(head));
      document.querySelectorAll(".tools[hidden]").forEach((tools) => (tools.hidden = false));
      this.filter.addEventListener("input", () => EC.state.set({ [WORDS]: this.filter.value }, { replace: true }));
      this.filter.addEventListener("keydown", (event) => {
        if (event.key === "Escape") EC.state.set({ [WORDS]: "" }, { replace: true });
      });
      EC.state.onchange((now, before) => this.moved(now, before));
      this.apply(EC.state.get());
    }

    moved(now, before) {
      if (now[WORDS] !== before[WORDS] || now[SORT] !== before[SORT]) this.apply(now);
    }

    button(head) {
      const { key } = head.dataset;
      const next = () => (EC.state.get()[SORT] === key ? `-${key}` : key);
      const press = () => EC.state.set({ [SORT]: next() });
      head.replaceChildren(EC.dom.h("button", { type: "button", class: "sort", onclick: press }, head.textContent));
    }

    apply(state) {
      if (this.filter.value !== (state[WORDS] ?? "")) this.filter.value = state[WORDS] ?? "";
      this.sort(state[SORT] ?? "");
      const words = wordsOf(state[WORDS] ?? "");
      for (const row of this.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      this.say(this.rows.filter((row) => !row.hidden).length);
    }

    say(count) {
      const { number } = EC.dom;
      const [listed, total] = [this.rows.length, EC.exports.total(this.table)];
      const said = count === total ? `${number(total)} members` : `${number(count)} of ${number(total)} members`;
      this.shown.textContent = listed < total ? `${said}; ${EC.exports.first(number(listed), number(total))}` : said;
      this.none.hidden = count > 0;
    }

    sort(wanted) {
      const descending = wanted.startsWith("-");
      const chosen = this.heads.find((head) => head.dataset.key === wanted.replace(/^-/, ""));
      this.heads.forEach((head) => head.removeAttribute("aria-sort"));
      chosen?.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const order = chosen && this.order(chosen, descending ? -1 : 1);
      this.rows = order ? [...this.first].sort(order) : [...this.first];
      this.table.tBodies[0].append(...this.rows);
    }

    order(head, sign) {
      const numeric = head.dataset.sort === "number";
      const value = ({ cells }) => cells[head.cellIndex].dataset.value;
      if (numeric) return (a, b) => sign * (Number(value(a)) - Number(value(b)));
      return (a, b) => sign * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    }
  }

  EC.start("members", () => {
    const table = document.getElementById("member-table");
    if (table) new Members(table).start();
  });
})();
