// Parts of a record's page: severities, packages, statements, components, findings, references.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const FEW = 12;
  /** Addresses are not longer: what is, nobody searches for. */
  const LONGEST = 2_000;
  const { h, visible, brief, number, link, portions, time, shorten } = EC.dom ?? {};

  /** Link to a search in this bundle for an alias, a purl or a name. */
  function term(text, wanted = text) {
    if (wanted.length > LONGEST) return h("span", { class: "term" }, brief(text));
    const href = EC.state.format("", { q: wanted });
    return h("a", { class: "term", href, title: `Search this bundle for ${brief(wanted)}` }, brief(text));
  }

  /** Show some items, and the rest of a long list behind a summary; `show` makes what stands for one, when it is shown. */
  function listed(items, show, few, unit, className = "listed") {
    const item = (one) => h("li", {}, show(one));
    const first = h("ul", { class: className }, items.slice(0, few).map(item));
    if (items.length <= few) return first;
    const rest = h("ul", { class: className });
    const details = h("details", {}, h("summary", {}, `${number(items.length - few)} more ${unit}`), rest);
    details.addEventListener("toggle", () => rest.childElementCount || portions(rest, items.slice(few), item));
    return [first, details];
  }

  /** A windowed table cuts long texts off: a row that is chosen is shown whole below it. */
  function windowed(options, columns) {
    const whole = h("div", { class: "whole", role: "status" });
    const onopen = (row) => {
      const items = columns.map((one) => [one.title, EC.rows.textOf(one, row)]).filter(([, text]) => text);
      const line = ([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, EC.record.told(text)));
      whole.replaceChildren(h("dl", { class: "facts" }, items.map(line)));
    };
    return [EC.table.create({ state: false, ...options, columns, onopen }).element, whole];
  }

  /** A small table whose cells wrap, or a windowed one when there are many rows. */
  function table(options) {
    const used = options.columns.filter((one) => options.rows.some((row) => EC.rows.textOf(one, row)));
    if (options.rows.length > FEW) return windowed(options, used);
    const columns = used.filter((one) => !one.hidden);
    const tight = (text) => (text.length <= 24 && !/\s/.test(text) ? "tight" : null);
    const cell = (column, row) => {
      const text = brief(EC.rows.textOf(column, row));
      const content = column.cell ? column.cell(row) : text;
      const names = { class: tight(text), "data-label": column.title };
      return column.primary ? h("th", { scope: "row", ...names }, content) : h("td", names, content);
    };
    const head = h("tr", {}, columns.map((one) => h("th", { scope: "col" }, one.title)));
    const body = options.rows.map((row) => h("tr", {}, columns.map((one) => cell(one, row))));
    return h("table", { class: "few" }, h("caption", {}, options.caption), h("thead", {}, head), h("tbody", {}, body));
  }

  function severities(found) {
    const one = (each) => {
      const strong = (text) => text && h(text.length > 40 ? "span" : "strong", {}, brief(text));
      const words = [strong(each.word), strong(each.score)];
      const rest = [each.system, each.by && `by ${each.by}`].filter(Boolean).join(", ");
      return [spaced(words), each.vector && h("span", { class: "vector" }, brief(each.vector)), rest && h("small", {}, brief(rest))];
    };
    return listed(found, one, 4, "severities", "severities");
  }

  /** Put a space between the nodes that are there. */
  const spaced = (nodes) => nodes.filter(Boolean).flatMap((node, place) => (place ? [" ", node] : [node]));

  const rangeWords = (range) => [range.status, range.words].filter(Boolean).join(": ");

  function rangesCell(one) {
    const said = (range) => {
      const about = [range.type && range.type !== "SEMVER" && range.type !== "ECOSYSTEM" && range.type, range.repo].filter(Boolean);
      return [brief(rangeWords(range)), about.length ? h("small", {}, " ", brief(about.join(", "))) : null];
    };
    const { ranges, versions } = one;
    const fallback = one.fallback && h("small", {}, `otherwise ${brief(one.fallback)}`);
    const named = versions.length > 0 && h("div", { class: "versions" }, h("small", {}, "versions "), versionsOf(versions));
    return [ranges.length ? listed(ranges, said, 6, "ranges") : null, named, fallback || null];
  }

  function versionsOf(versions) {
    const few = versions.slice(0, 8).map(brief).join(", ");
    if (versions.length <= 8) return few;
    return [few, behind(`${number(versions.length - 8)} more versions`, () => versions.slice(8).map(brief).join(", "))];
  }

  /** A text behind a summary, made when it is opened. */
  function behind(summary, say) {
    const place = h("span", {});
    const details = h("details", {}, h("summary", {}, summary), place);
    details.addEventListener("toggle", () => place.firstChild || place.append(EC.record.told(say())));
    return details;
  }

  function packages(found) {
    const range = (one) => [...one.ranges.map(rangeWords), ...one.versions.slice(0, 50), one.fallback && `otherwise ${one.fallback}`];
    const few = found.length <= FEW;
    return table({
      id: "record-packages",
      caption: `${number(found.length)} affected ${found.length === 1 ? "package" : "packages"}, as stated`,
      unit: "packages",
      rows: found,
      columns: [
        { key: "name", title: "Package", primary: true, cell: (one) => term(one.name), width: "minmax(0, 2fr)" },
        { key: "ecosystem", title: "Ecosystem", facet: true, value: (one) => [one.vendor, one.ecosystem].filter(Boolean).join(", ") },
        { key: "affected", title: "Affected", value: (one) => range(one).filter(Boolean).join("; "), cell: few ? rangesCell : null, width: "minmax(0, 3fr)" },
        { key: "purl", title: "Package URL", cell: (one) => one.purl && term(one.purl), wide: true, width: "minmax(0, 2fr)" },
      ],
    });
  }

  const status = (one) => h("span", { class: `status ${one.group}` }, brief(one.status));

  function statements(found) {
    return table({
      id: "record-statements",
      caption: `${number(found.length)} ${found.length === 1 ? "statement" : "statements"} about products`,
      unit: "statements",
      rows: found,
      columns: [
        { key: "product", title: "Product", primary: true, width: "minmax(0, 3fr)" },
        { key: "vulnerability", title: "Vulnerability", cell: (one) => one.vulnerability && term(one.vulnerability), facet: true, width: "minmax(0, 1.2fr)" },
        { key: "status", title: "Status", cell: status, facet: true, width: "9rem" },
        { key: "justification", title: "Justification", facet: true, width: "minmax(0, 1.5fr)" },
        { key: "detail", title: "Detail", wide: true },
        { key: "action", title: "Action", wide: true },
      ],
    });
  }

  function components(found) {
    return table({
      id: "record-components",
      caption: `${number(found.length)} ${found.length === 1 ? "component" : "components"}`,
      unit: "components",
      rows: found,
      columns: [
        { key: "name", title: "Component", primary: true, width: "minmax(0, 2fr)" },
        { key: "version", title: "Version", width: "minmax(0, 1fr)" },
        { key: "type", title: "Type", facet: true, width: "7rem" },
        { key: "purl", title: "Package URL", cell: (one) => one.purl && term(one.purl), wide: true, width: "minmax(0, 3fr)" },
        { key: "licence", title: "Licence", facet: true, wide: true, width: "minmax(0, 1fr)" },
      ],
    });
  }

  function findings(found) {
    const place = (one) => (one.url ? link(one.url, one.title || one.url) : brief(one.title));
    return table({
      id: "record-findings",
      caption: `${number(found.length)} ${found.length === 1 ? "finding" : "findings"}, severities as the scanner states them`,
      unit: "findings",
      rows: found,
      columns: [
        { key: "id", title: "Finding", primary: true, cell: (one) => term(one.id || "no id", one.id), width: "minmax(0, 1.3fr)" },
        { key: "severity", title: "Severity", facet: true, width: "6.5rem" },
        { key: "package", title: "Package", width: "minmax(0, 1fr)" },
        { key: "version", title: "Version", width: "minmax(0, 1fr)" },
        { key: "fixed", title: "Fixed in", wide: true, width: "minmax(0, 1fr)" },
        { key: "title", title: "What", cell: place, wide: true, width: "minmax(0, 2fr)" },
        { key: "place", title: "Where", facet: true, wide: true },
        { key: "type", title: "Type", facet: true, wide: true, width: "6rem" },
        { key: "url", title: "Address", hidden: true },
      ],
    });
  }

  function references(found) {
    const one = (each) => {
      const about = [each.kind, each.title !== each.url && each.title].filter(Boolean).join(", ");
      return [link(each.url), about ? h("small", {}, " ", visible(shorten(about, 160))) : null];
    };
    return listed(found, one, 12, "references");
  }

  const dates = (found) => found.filter((one) => one.value).map((one) => ({ name: one.name, value: time(one.value) }));

  EC.parts = { term, listed, table, severities, packages, statements, components, findings, references, dates };
})();
