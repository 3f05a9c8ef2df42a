// Summaries of VEX and of CSAF: which product is affected by what, as its supplier says.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { at, text, shown, objects, texts, unique, named } = EC.facts;
  const { readers, severity, cvss, fact, reference } = EC.summary;
  const GROUPS = [
    [/^(known_)?not_affected$|^false_positive$/, "not-affected"],
    [/affected$|^exploitable$/, "affected"],
    [/fixed$|^resolved/, "fixed"],
    [/^under_investigation$|^in_triage$/, "open"],
  ];

  /** Return which of the four usual answers a stated status is: only its colour depends on it. */
  const groupOf = (status) => (GROUPS.find(([pattern]) => pattern.test(status)) ?? [null, "other"])[1];

  const plain = (word) => word.replaceAll("_", " ");

  function statement(vulnerability, status, product, more = {}) {
    const empty = { justification: "", detail: "", action: "" };
    return { vulnerability, status: plain(status), group: groupOf(status), product, ...empty, ...more };
  }

  // -- CSAF ---------------------------------------------------------------------------------------------------------

  /** Return the ids of products that an entry names, those of its product groups included. */
  function idsOf(entry, groups) {
    return [...texts(entry, "product_ids"), ...texts(entry, "group_ids").flatMap((id) => groups.get(id) ?? [])];
  }

  /** Collect what is said of each product: product id to one text. */
  function byProduct(entries, groups, say) {
    const found = new Map();
    for (const entry of entries) {
      const said = say(entry);
      for (const id of idsOf(entry, groups)) {
        if (!found.has(id)) found.set(id, new Set());
        if (said) found.get(id).add(said);
      }
    }
    return new Map([...found].map(([id, texts]) => [id, [...texts].join("; ")]));
  }

  function csafStatements(value) {
    const names = new Map(EC.facts.csafProducts(value).map((one) => [text(one, "product_id"), text(one, "name")]));
    const groups = new Map(objects(value, "product_tree", "product_groups").map((one) => [text(one, "group_id"), texts(one, "product_ids")]));
    return objects(value, "vulnerabilities").flatMap((one) => csafOf(one, names, groups));
  }

  function csafOf(vulnerability, names, groups) {
    const id = text(vulnerability, "cve") || objects(vulnerability, "ids").map((one) => text(one, "text")).find(Boolean) || text(vulnerability, "title");
    const flags = byProduct(objects(vulnerability, "flags"), groups, (one) => plain(text(one, "label")));
    const threats = byProduct(objects(vulnerability, "threats"), groups, (one) => `${plain(text(one, "category"))}: ${text(one, "details")}`);
    const cures = byProduct(objects(vulnerability, "remediations"), groups, (one) => `${plain(text(one, "category"))}: ${text(one, "details")}`);
    const stated = Object.keys(at(vulnerability, "product_status") ?? {}).flatMap((status) =>
      texts(vulnerability, "product_status", status).map((product) => ({ status, product })),
    );
    const known = new Set(stated.map(({ product }) => product));
    const rest = [...new Set([flags, threats, cures].flatMap((map) => [...map.keys()]))].filter((product) => !known.has(product));
    return [...stated, ...rest.map((product) => ({ status: "not_stated", product }))].map(({ status, product }) =>
      statement(id, status, names.get(product) || product, {
        justification: flags.get(product) ?? "",
        detail: threats.get(product) ?? "",
        action: cures.get(product) ?? "",
      }),
    );
  }

  function csafSeverities(vulnerability) {
    const by = text(vulnerability, "cve");
    const contents = objects(vulnerability, "metrics").map((one) => at(one, "content"));
    return [...objects(vulnerability, "scores"), ...contents].flatMap((one) => cvss(one, by));
  }

  function csaf(value) {
    const document = at(value, "document");
    const vulnerabilities = objects(value, "vulnerabilities");
    const notes = [...objects(document, "notes"), ...vulnerabilities.flatMap((one) => objects(one, "notes"))];
    const wanted = notes.filter((one) => /description|summary|general|details/.test(text(one, "category")));
    const cwes = vulnerabilities.flatMap((one) => [at(one, "cwe"), ...objects(one, "cwes")]);
    const holders = [document, ...vulnerabilities];
    return {
      description: unique(wanted.map((one) => text(one, "text"))).join("\n\n"),
      severities: [...severity({ word: text(document, "aggregate_severity", "text") }, "document"), ...unalike(vulnerabilities.flatMap(csafSeverities))],
      statements: csafStatements(value),
      references: holders.flatMap((one) => objects(one, "references")).map((one) => reference(text(one, "url"), text(one, "category"), text(one, "summary"))),
      dates: [fact("First released", text(document, "tracking", "initial_release_date")), fact("Current release", text(document, "tracking", "current_release_date"))],
      facts: [
        fact("Publisher", text(document, "publisher", "name")),
        fact("Category", text(document, "category")),
        fact("Status", [shown(document, "tracking", "status"), shown(document, "tracking", "version")].filter(Boolean).join(", version ")),
        fact("Weaknesses", unique(cwes.map((one) => [text(one, "id"), text(one, "name")].filter(Boolean).join(" "))).join("; ")),
        fact("TLP", text(document, "distribution", "tlp", "label")),
      ],
    };
  }

  const unalike = (found) => [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];

  // -- OpenVEX ------------------------------------------------------------------------------------------------------

  function openvexProducts(one) {
    const outer = objects(one, "products").flatMap((product) => {
      const [name = text(product, "identifiers", "cpe23") || "not named"] = EC.facts.openvexNames({ product: [product] }, "product").filter(Boolean);
      const inner = unique(EC.facts.openvexNames(product, "subcomponents"));
      return inner.length ? inner.map((each) => `${name}, ${each}`) : [name];
    });
    const found = [...texts(one, "products"), ...outer];
    return found.length ? found : ["the document's product"];
  }

  function openvexOf(one) {
    const { name } = EC.facts.openvexVulnerability(one);
    const more = {
      justification: plain(text(one, "justification")),
      detail: [text(one, "impact_statement"), text(one, "status_notes")].filter(Boolean).join(" "),
      action: text(one, "action_statement"),
    };
    return openvexProducts(one).map((product) => statement(name, text(one, "status"), product, more));
  }

  function openvex(value) {
    const statements = objects(value, "statements");
    const descriptions = statements.map((one) => text(one, "vulnerability", "description"));
    return {
      description: unique(descriptions).join("\n\n"),
      statements: statements.flatMap(openvexOf),
      references: unique(statements.map((one) => text(one, "vulnerability", "@id"))).map((url) => reference(url, "vulnerability")),
      dates: [fact("Published", text(value, "timestamp")), fact("Updated", text(value, "last_updated"))],
      facts: [fact("Author", text(value, "author")), fact("Role", text(value, "role")), fact("Version", shown(value, "version")), fact("Tooling", text(value, "tooling"))],
    };
  }

  // -- CycloneDX ----------------------------------------------------------------------------------------------------

  /** Return the statements of a CycloneDX document; one without analysis states only what is concerned. */
  function cyclonedxStatements(value) {
    const names = new Map(EC.facts.cyclonedxComponents(value).map((one) => [text(one, "bom-ref"), text(one, "purl") || named(text(one, "name"), text(one, "version"))]));
    return objects(value, "vulnerabilities").flatMap((one) => {
      const analysis = at(one, "analysis");
      const more = {
        justification: plain(text(analysis, "justification")),
        detail: text(analysis, "detail") || (analysis ? "" : text(one, "description")),
        action: [...texts(analysis, "response").map(plain), text(one, "recommendation")].filter(Boolean).join("; "),
      };
      const refs = objects(one, "affects").map((each) => text(each, "ref"));
      const products = refs.length ? refs.map((ref) => names.get(ref) || ref) : [""];
      return products.map((product) => statement(text(one, "id"), text(analysis, "state") || "no_analysis", product, more));
    });
  }

  /** Return the severities of a CycloneDX document's vulnerabilities. */
  function cyclonedxSeverities(value) {
    return objects(value, "vulnerabilities").flatMap((one) =>
      objects(one, "ratings").flatMap((rating) =>
        severity(
          { system: shown(rating, "method"), word: shown(rating, "severity"), score: shown(rating, "score"), vector: shown(rating, "vector") },
          [text(one, "id"), text(rating, "source", "name")].filter(Boolean).join(", "),
        ),
      ),
    );
  }

  Object.assign(readers, { csaf, "csaf-vex": csaf, openvex });
  Object.assign(EC.summary, { cyclonedxStatements, cyclonedxSeverities, groupOf });
})();
