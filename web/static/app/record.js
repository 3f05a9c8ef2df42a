// One record: what it says, readably, with its JSON beside it, and where it lies.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const LONG = 900;
  const WITHDRAWN = "Withdrawn by its publisher";

  function facts(items) {
    const { h } = EC.dom;
    const there = items.filter((one) => one && one.value && (!Array.isArray(one.value) || one.value.length));
    return h("dl", { class: "facts" }, there.map((one) => h("div", {}, h("dt", {}, one.name), h("dd", {}, one.value))));
  }

  function section(title, content) {
    const { h } = EC.dom;
    return h("section", { class: "part" }, h("h4", {}, title), content);
  }

  function terms(texts, unit) {
    return texts.length ? EC.parts.listed(texts, (text) => EC.parts.term(text), 8, unit, "terms") : null;
  }

  /** Join the lines of paragraphs that were only broken to fit a width; lists, code and tables stay as they are. */
  function flowing(text) {
    const kept = /^(\s|[-*+|#>\x60~]|\d+[.)])/;
    const join = (part) => (part.split("\n").some((line) => kept.test(line)) ? part : part.replaceAll("\n", " "));
    return text.replaceAll("\r\n", "\n").split(/\n{2,}/).map(join).join("\n\n");
  }

  /** A text as it was written; a long one is folded. */
  function prose(text) {
    const { h, visible } = EC.dom;
    return folded(h("p", { class: "prose" }), text, (some) => flowing(some).split("\n").map(visible).join("\n"));
  }

  /** A text in one line; a long one is folded. */
  const told = (text) => folded(EC.dom.h("span", {}), text, EC.dom.visible);

  /** Fill an element with a text as `show` writes it; of a very long one only the beginning before all is asked for. */
  function folded(element, text, show) {
    const begun = show(text.slice(0, LONG * 4));
    const whole = text.length <= LONG * 4 && begun.length <= LONG;
    const cut = begun.lastIndexOf(" ", LONG);
    element.append(whole ? begun : `${begun.slice(0, cut > LONG / 2 ? cut : LONG)}… `);
    if (whole) return element;
    const more = EC.dom.h("button", { type: "button", class: "more" }, "Show all of it");
    more.addEventListener("click", () => element.replaceChildren(show(text)));
    element.append(more);
    return element;
  }

  function said(summary) {
    return facts([
      { name: "Aliases", value: terms(summary.aliases, "aliases") },
      { name: "Related", value: terms(summary.related, "related") },
      { name: "Severity as stated", value: summary.severities.length ? EC.parts.severities(summary.severities) : null },
      { name: "About", value: summary.subject && EC.parts.term(summary.subject) },
      ...EC.parts.dates(summary.dates),
      ...summary.facts.map((one) => ({ name: one.name, value: told(one.value) })),
    ]);
  }

  /** Say a command that prints this record, quoted for a shell; "" when a terminal would act on what stands in it. */
  function command(id, file) {
    if ([id, file].some((text) => EC.figures.visible(text) !== String(text))) return "";
    const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    return `export-center bundle cat ${quoted(file)} --id ${quoted(id)}`;
  }

  function place(found, file) {
    const { h, visible, brief, copyButton } = EC.dom;
    const { record } = found;
    const copied = (value, what) => [h("span", { class: "digest" }, brief(value)), " ", copyButton(value, what)];
    return facts([
      { name: "Source", value: brief(record.source) },
      { name: "Locator", value: brief(record.locator) },
      { name: "Tenant", value: brief(record.tenant) },
      { name: "SHA-256", value: record.sha256 && [copied(record.sha256, "SHA-256"), h("small", {}, "of the original bytes, before white space was removed")] },
      { name: "Observation", value: record.observationId && copied(record.observationId, "observation id") },
      { name: "Policy snapshot", value: record.policySnapshotId && brief(record.policySnapshotId) },
      { name: "In this bundle", value: visible(lies(found)) },
      { name: "Same on a terminal", value: terminal(command(record.id, file)) },
    ]);
  }

  function terminal(line) {
    const { h, brief, copyButton } = EC.dom;
    if (line) return [h("code", {}, brief(line)), " ", copyButton(line, "command")];
    return "No command: a terminal would act on characters in the id. `export-center bundle list --records` shows them.";
  }

  function lies(found) {
    const { number } = EC.dom;
    const frame = found.frame === undefined ? "" : `, frame ${number(found.frame)}`;
    return `${found.member ?? ""}${frame}${found.offset === undefined ? "" : `, byte ${number(found.offset)} of the frame`}`;
  }

  /** Return a record's line as text, and what is in it; `found` may have the line or only what was parsed of it. */
  function read(found) {
    const line = found.line ?? JSON.stringify(found.record);
    const span = EC.json.find(line, "content");
    return { record: EC.json.parse(line), document: span ? line.slice(span.start, span.end) : line };
  }

  function lists(summary) {
    const { components, findings, packages, references, statements } = EC.parts;
    return [
      summary.packages.length > 0 && section("Affected", packages(summary.packages)),
      summary.statements.length > 0 && section("Products", statements(summary.statements)),
      summary.findings.length > 0 && section("Findings", findings(summary.findings)),
      summary.kind === "finding" && !summary.findings.length && section("Findings", "The report lists no finding."),
      summary.components.length > 0 && section("Components", components(summary.components)),
      summary.references.length > 0 && section("References", references(summary.references)),
    ];
  }

  const fileOf = (record) => `${String(record.id || record.locator).replace(/[^\w.-]+/g, "_").slice(-80)}.json`;

  /** Return the word that names a record at the top: its title, and its id when it has none. */
  const titleOf = (summary) => summary.title || summary.id || "Record";

  function band(summary) {
    const { h, brief, copyButton, time } = EC.dom;
    return [
      h("p", { class: "eyebrow" }, brief(summary.kind), h("span", {}, brief(summary.format))),
      h("h3", { tabindex: -1 }, brief(titleOf(summary))),
      h("p", { class: "identity" }, summary.title !== summary.id && h("span", { class: "id" }, brief(summary.id)), " ", copyButton(summary.id, "id", "Copy id")),
      summary.withdrawn && h("p", { class: "withdrawn" }, `${WITHDRAWN}: `, time(summary.withdrawn)),
    ];
  }

  /**
   * Show one record.
   * @param {{record: object, line?: string, member?: string, frame?: number, offset?: number}} found
   * @param {{file?: string, related?: Node}} [more] the bundle's file name for the command; a node that comes last
   */
  function view(found, { file = "BUNDLE", related = null } = {}) {
    const { h } = EC.dom;
    const { record, document: text } = read(found);
    const summary = EC.summary.of(record);
    const left = h("div", {}, said(summary), summary.description && section("Description", prose(summary.description)));
    const raw = h("div", {}, h("h4", {}, "The document, as published"), EC.raw.panel(text, fileOf(record)));
    const where = section("Where it lies", place({ ...found, record }, file));
    return h("article", { class: "record" }, band(summary), h("div", { class: "beside" }, left, raw), lists(summary), where, related);
  }

  EC.record = { view, titleOf, command, told };
})();
