// The rows of a table without a page: filter, sort, facets, and export of exactly what is shown.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const FORMULA = /^[=+\-@\t\r]/;
  const collator = new Intl.Collator("en", { numeric: true });
  // By columns, then by row: tables share rows, and each finds its own columns' words in them.
  const haystacks = new WeakMap();

  /** What a column says of a row, as text: `text(row)`, else the value. */
  function textOf(column, row) {
    const value = column.text ? column.text(row) : valueOf(column, row);
    return value === null || value === undefined ? "" : String(value);
  }

  /** What a column says of a row, for sorting and export: `value(row)`, else the field of that name. */
  const valueOf = (column, row) => (column.value ? column.value(row) : row[column.key]);

  function haystack(columns, row) {
    const known = haystacks.get(columns) ?? new WeakMap();
    haystacks.set(columns, known);
    let found = known.get(row);
    if (found === undefined) {
      const values = columns.flatMap((column) => [textOf(column, row), valueOf(column, row)]);
      found = values.join("\n").toLowerCase();
      known.set(row, found);
    }
    return found;
  }

  /** Read some rows for a filter that may come; returns the place of the next one. */
  function warm(rows, columns, from, count) {
    const end = Math.min(rows.length, from + count);
    for (let place = from; place < end; place++) haystack(columns, rows[place]);
    return end;
  }

  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  /** Return the rows that have every word of `query.words` and the value of every facet, in their order. */
  function filter(rows, columns, query) {
    const words = wordsOf(query.words ?? "");
    const chosen = columns.filter((column) => column.facet && query.facets?.[column.key] !== undefined);
    return rows.filter(
      (row) =>
        chosen.every((column) => textOf(column, row) === query.facets[column.key]) &&
        (!words.length || words.every((word) => haystack(columns, row).includes(word))),
    );
  }

  function compare(left, right) {
    const missing = (left ?? "") === "" ? ((right ?? "") === "" ? 0 : 1) : (right ?? "") === "" ? -1 : null;
    if (missing !== null) return { missing };
    if (typeof left === "number" && typeof right === "number") return { order: left - right };
    return { order: collator.compare(String(left), String(right)) };
  }

  /** Return the rows sorted by a column; rows without a value come last both ways, equal rows keep their order. */
  function sort(rows, column, descending) {
    const keyed = rows.map((row) => ({ row, value: valueOf(column, row) }));
    keyed.sort((a, b) => {
      const { missing, order } = compare(a.value, b.value);
      return missing ?? (descending ? -order : order);
    });
    return keyed.map(({ row }) => row);
  }

  /** Return the values of a facet with how many rows have them, most frequent first. */
  function counts(rows, column) {
    const found = new Map();
    for (const row of rows) {
      const text = textOf(column, row);
      found.set(text, (found.get(text) ?? 0) + 1);
    }
    return [...found].sort((a, b) => b[1] - a[1] || collator.compare(a[0], b[0]));
  }

  /** Say in one line what a query leaves out: "12 of 400 rows; words: lodash; Kind: vex"; "" when nothing is. */
  function said(query, columns, shown, total, more) {
    const facets = columns.filter((column) => query.facets?.[column.key] !== undefined);
    const parts = facets.map((column) => `${column.title}: ${query.facets[column.key] || "(none)"}`);
    if (wordsOf(query.words ?? "").length) parts.unshift(`words: ${query.words.trim()}`);
    if (more) parts.push(more);
    return parts.length ? [`${shown} of ${total} rows`, ...parts].join("; ") : "";
  }

  function cell(value) {
    const text = Array.isArray(value) ? value.join(" ") : (value ?? "");
    if (typeof text === "number") return String(text);
    const harmless = FORMULA.test(text) ? `'${text}` : String(text);
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  }

  /** Write rows as CSV (RFC 4180). `note` becomes a first line; cells that a spreadsheet would run get a quote. */
  function csv(rows, columns, note) {
    const lines = rows.map((row) => columns.map((column) => cell(valueOf(column, row))).join(","));
    const head = columns.map((column) => cell(column.key)).join(",");
    return [...(note ? [cell(`# filtered: ${note}`)] : []), head, ...lines, ""].join("\r\n");
  }

  /** Write rows as JSON: `filter` says what was left out, or null. */
  function json(rows, columns, note, total) {
    const values = rows.map((row) => Object.fromEntries(columns.map((one) => [one.key, valueOf(one, row) ?? null])));
    return `${JSON.stringify({ filter: note || null, shown: rows.length, total, rows: values }, null, 1)}\n`;
  }

  /** Name an exported file so that a part is never taken for the whole: "runs-filtered-12-of-400.csv". */
  function fileName(id, note, shown, total, ending) {
    return `${id}-${note ? `filtered-${shown}-of-${total}` : `all-${total}`}.${ending}`;
  }

  EC.rows = { textOf, valueOf, warm, filter, sort, counts, said, csv, json, fileName };
})();
