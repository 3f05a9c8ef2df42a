// Tables that stand in the page: kept as CSV or JSON exactly as they are shown, and windowed when they are long.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  const keyed = (table) => Array.from(table.tHead.rows[0].cells).map((cell) => cell.dataset.key ?? "");

  /** A cell's value: what it says it is, else its text; a number where its column holds numbers; "" where there is none. */
  function valueOf(cell, numeric) {
    if (!cell) return "";
    const text = cell.dataset.value ?? cell.querySelector(".digest")?.textContent ?? cell.textContent.trim();
    if (!numeric) return text;
    const number = Number(text.replaceAll("\u202f", ""));
    if (text === "" || Number.isNaN(number)) return text;
    return cell.dataset.value !== undefined && number < 0 ? null : number;
  }

  /**
   * Read a table that stands in the page.
   * @returns {{columns: {key: string, title: string, number: boolean}[], rows: object[], listed: number, total: number}}
   *   rows that are shown, in the order shown; how many stand in the page, and how many there are
   */
  function read(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    const keys = keyed(table);
    const columns = keys
      .map((key, place) => ({ key, place, title: heads[place].textContent, number: heads[place].classList.contains("num") }))
      .filter(({ key }) => key);
    const all = Array.from(table.tBodies[0].rows);
    const row = ({ cells }) => Object.fromEntries(columns.map((one) => [one.key, valueOf(cells[one.place], one.number)]));
    return { columns, rows: all.filter((one) => !one.hidden).map(row), listed: all.length, total: EC.exports.total(table) };
  }

  /** Say what an exported table leaves out, by words or because the page lists only the first; "" when nothing. */
  function noteOf({ shown, listed, total }, words) {
    const parts = [shown < listed && `${shown} of ${total} rows; words: ${words}`, listed < total && EC.exports.first(listed, total)];
    return parts.filter(Boolean).join("; ");
  }

  function keep(table, kind) {
    const { columns, rows, listed, total } = read(table);
    const note = noteOf({ shown: rows.length, listed, total }, document.getElementById("filter")?.value.trim());
    const text = kind === "csv" ? EC.rows.csv(rows, columns, note) : EC.rows.json(rows, columns, note, total);
    const name = EC.rows.fileName(table.dataset.export, note, rows.length, total, kind);
    EC.dom.download(name, text, kind === "csv" ? "text/csv;charset=utf-8" : "application/json");
  }

  function buttons(table) {
    const what = table.dataset.export.replaceAll("-", " ");
    const one = (kind) =>
      EC.dom.h(
        "button",
        { type: "button", class: "copy", "aria-label": `${kind.toUpperCase()}: ${what}`, onclick: () => keep(table, kind) },
        kind.toUpperCase(),
      );
    return [one("csv"), one("json")];
  }

  function place(table) {
    const ready = table.parentElement.querySelector(":scope > .tools .exports");
    if (ready) return ready.replaceChildren(...buttons(table));
    const group = EC.dom.h("p", { class: "sent exports", role: "group", "aria-label": "Export" }, buttons(table));
    const chart = table.closest(".chart");
    return chart ? chart.append(group) : (table.closest(".scroll") ?? table).after(group);
  }

  /** Take a long table out of the page, and put a windowed one in its place once it is asked for. */
  function windowed(details) {
    const table = details.querySelector("table.full");
    const id = `${table.dataset.export}-all`;
    const fill = () => {
      const { columns, rows } = read(table);
      const caption = table.caption.textContent;
      const shown = columns.map((one, at) => ({ ...one, primary: at === 0, width: one.number ? "8rem" : "minmax(0, 1fr)" }));
      details.append(EC.table.create({ id, caption, columns: shown, rows, unit: "values" }).element);
    };
    table.remove();
    details.addEventListener("toggle", fill, { once: true });
    if (EC.state.asks(id)) details.open = true;
  }

  EC.exports = {
    /** How many rows a table has where the page has room for all: its `data-total`, else those that stand in it. */
    total: (table) => Number(table.dataset.total ?? table.tBodies[0].rows.length),
    first: (listed, total) => `the first ${listed} of ${total}, export.json lists them all`,
  };

  EC.start("exports", () => {
    document.querySelectorAll("table[data-export]").forEach(place);
    for (const details of document.querySelectorAll("details.long")) if (details.querySelector("table.full")) windowed(details);
  });
})();
