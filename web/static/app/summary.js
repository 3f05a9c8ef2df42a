// What a person wants to know of one record, in the words of whoever published it.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { at, text, shown, objects, texts, unique } = EC.facts;

  const reference = (url, kind, title) => ({ url, kind: kind || "", title: title || "" });
  const fact = (name, value) => ({ name, value });

  /** Return a severity as it was stated: {system, word, score, vector, by}; empty texts are not stated. */
  function severity(stated, by = "") {
    const found = { system: "", word: "", score: "", vector: "", ...stated, by };
    return found.word || found.score || found.vector ? [found] : [];
  }

  function osvSeverities(holder, by) {
    const words = ["database_specific", "ecosystem_specific"].map((key) => shown(holder, key, "severity"));
    const vector = text(holder, "database_specific", "cvss");
    const scored = objects(holder, "severity").flatMap((one) => {
      const score = shown(one, "score");
      const kind = score.includes("/") ? "vector" : /^\d/.test(score) ? "score" : "word";
      return severity({ system: shown(one, "type"), [kind]: score }, shown(one, "source") || by);
    });
    return [...scored, ...words.flatMap((word) => severity({ word }, by)), ...severity({ vector }, by)];
  }

  function osvPackage(affected) {
    const name = text(affected, "package", "name");
    return {
      name: name || text(affected, "package", "purl") || objects(affected, "ranges").map((one) => text(one, "repo")).find(Boolean) || "not named",
      ecosystem: text(affected, "package", "ecosystem"),
      vendor: "",
      purl: text(affected, "package", "purl"),
      ranges: EC.ranges.osv(affected),
      versions: EC.ranges.versions(affected),
      fallback: "",
    };
  }

  function osv(value) {
    const affected = objects(value, "affected");
    const cwes = [...texts(value, "database_specific", "cwe_ids"), ...objects(value, "database_specific", "cwes").map((one) => shown(one, "cweId"))];
    const credits = objects(value, "credits").map((one) => [shown(one, "name"), shown(one, "type")].filter(Boolean).join(", "));
    const said = affected.map((one) => shown(one, "database_specific", "informational"));
    return {
      description: text(value, "details"),
      related: unique([...texts(value, "related"), ...texts(value, "upstream")]),
      severities: same([...osvSeverities(value, ""), ...affected.flatMap((one) => osvSeverities(one, text(one, "package", "name")))]),
      packages: affected.map(osvPackage),
      references: objects(value, "references").map((one) => reference(text(one, "url"), text(one, "type"))),
      dates: [fact("Published", text(value, "published")), fact("Modified", text(value, "modified"))],
      withdrawn: text(value, "withdrawn"),
      facts: [
        fact("Weaknesses", unique(cwes).join(", ")),
        fact("Informational", unique(said).join(", ")),
        fact("Credits", unique(credits).join("; ")),
        fact("Licence", shown(value, "database_specific", "license")),
      ],
    };
  }

  /** Leave out severities that say the same for several packages; who said it is joined. */
  function same(found) {
    const by = new Map();
    for (const one of found) {
      const key = JSON.stringify([one.system, one.word, one.score, one.vector]);
      if (by.has(key)) by.get(key).push(one);
      else by.set(key, [one]);
    }
    return [...by.values()].map((alike) => {
      const names = unique(alike.map((one) => one.by));
      const listed = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
      return { ...alike[0], by: alike.some((one) => !one.by) ? "" : listed };
    });
  }

  /** Return the severities in an object whose keys name CVSS versions: {cvssV3_1: {vectorString, …}}. */
  function cvss(holder, by) {
    const keys = Object.keys(holder ?? {}).filter((key) => /^cvss/i.test(key));
    return keys.flatMap((system) =>
      severity(
        {
          system,
          word: shown(holder, system, "baseSeverity"),
          score: shown(holder, system, "baseScore"),
          vector: shown(holder, system, "vectorString"),
        },
        by,
      ),
    );
  }

  function cveMetrics(container) {
    const by = shown(container, "providerMetadata", "shortName");
    return objects(container, "metrics").flatMap((metric) => [
      ...cvss(metric, by),
      ...severity({ system: shown(metric, "other", "type"), word: otherMetric(at(metric, "other", "content")) }, by),
    ]);
  }

  /** Say a metric of another system: plain values, and the named options of SSVC. */
  function otherMetric(content) {
    if (!EC.facts.isObject(content)) return "";
    const options = objects(content, "options").flatMap((one) => Object.entries(one));
    const plain = Object.entries(content).filter(([key]) => !["id", "timestamp", "version", "role", "dateAdded"].includes(key));
    return [...options, ...plain].filter(([, value]) => typeof value === "string").map(([key, value]) => `${key}: ${value}`).join(", ");
  }

  function cveProduct(product) {
    const names = [text(product, "packageName"), text(product, "product")];
    return {
      name: names.find(Boolean) || "not named",
      ecosystem: text(product, "collectionURL"),
      vendor: text(product, "vendor"),
      purl: text(product, "packageURL"),
      ...EC.ranges.cve(product),
    };
  }

  function english(values) {
    const found = values.filter((one) => /^en/i.test(text(one, "lang")));
    return unique((found.length ? found : values).map((one) => text(one, "value"))).join("\n\n");
  }

  function cve5(value) {
    const containers = EC.facts.cve5Containers(value);
    const [cna] = containers;
    const all = (key) => containers.flatMap((container) => objects(container, key));
    const problems = all("problemTypes").flatMap((one) => objects(one, "descriptions"));
    const paragraphs = (key) => english(objects(cna, key));
    return {
      description: english([...objects(cna, "descriptions"), ...objects(cna, "rejectedReasons")]),
      related: texts(cna, "replacedBy"),
      severities: containers.flatMap(cveMetrics),
      packages: all("affected").map(cveProduct),
      references: all("references").map((one) => reference(text(one, "url"), texts(one, "tags").join(", "), text(one, "name"))),
      dates: [
        fact("Published", text(value, "cveMetadata", "datePublished")),
        fact("Updated", text(value, "cveMetadata", "dateUpdated")),
        fact("Made public", text(cna, "datePublic")),
      ],
      withdrawn: text(value, "cveMetadata", "dateRejected") || (text(value, "cveMetadata", "state") === "REJECTED" ? "REJECTED" : ""),
      facts: [
        fact("State", text(value, "cveMetadata", "state")),
        fact("Assigned by", text(value, "cveMetadata", "assignerShortName")),
        fact("Weaknesses", unique(problems.map((one) => text(one, "description") || text(one, "cweId"))).join("; ")),
        fact("Solutions", paragraphs("solutions")),
        fact("Workarounds", paragraphs("workarounds")),
        fact("Credits", unique(objects(cna, "credits").map((one) => text(one, "value"))).join("; ")),
      ],
    };
  }

  const EMPTY = {
    description: "",
    related: [],
    severities: [],
    packages: [],
    statements: [],
    components: [],
    findings: [],
    references: [],
    dates: [],
    withdrawn: "",
    facts: [],
  };
  const readers = { osv, cve5 };

  /**
   * Say what a record says: everything is a text as stated, "" or an empty list when it is not.
   *
   * Returns {id, kind, format, title, subject, aliases, purls, packageNames, description, related, severities:
   * [{system, word, score, vector, by}], packages: [{name, ecosystem, vendor, purl, ranges: [{words, status, type}],
   * versions, fallback}], statements (VEX): [{vulnerability, status, group, product, justification, detail, action}],
   * components (SBOM): [{name, version, type, purl, licence}], findings: [{id, severity, package, version, fixed,
   * title, place, url}], references: [{url, kind, title}], dates and facts: [{name, value}], withdrawn}.
   * @param {object} record a line of a bundle, parsed; numbers may be `EC.json.Lexeme`
   */
  function of(record) {
    const { id, title, subject, aliases, purls, packages: packageNames } = EC.facts.of(record);
    const name = EC.facts.formatName(record);
    const read = Object.hasOwn(readers, name) ? readers[name] : () => ({});
    const said = { ...EMPTY, ...read(at(record, "content")) };
    const facts = said.facts.filter((one) => one.value);
    const references = said.references.filter((one) => one.url);
    const named = { kind: text(record, "kind"), format: text(record, "format"), id, title, subject, aliases, purls, packageNames };
    return { ...named, ...said, facts, references };
  }

  EC.summary = { of, readers, severity, cvss, fact, reference };
})();
