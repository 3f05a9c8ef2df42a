// Facts of SBOMs in SPDX and of reports of scanners, and the one entry: `EC.facts.of(record)`.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { at, text, objects, texts, unique, only, readers } = EC.facts;
  const PURLS = ["packageUrl", "packageURL", "purl"];
  const ISSUES = ["Vulnerabilities", "Misconfigurations", "Secrets", "Licenses"];

  const byCodePoint = (a, b) => {
    const [left, right] = [Array.from(a), Array.from(b)];
    const place = left.findIndex((point, index) => point !== right[index]);
    return place < 0 ? left.length - right.length : (left[place].codePointAt(0) - (right[place]?.codePointAt(0) ?? -1));
  };

  /** Return the purls of an SPDX 2 package, as it references them. */
  const spdx2Purls = (one) =>
    objects(one, "externalRefs")
      .filter((reference) => text(reference, "referenceType") === "purl")
      .map((reference) => text(reference, "referenceLocator"));

  /** Return the purls of an SPDX 3 package. */
  const spdx3Purls = (one) => [
    text(one, "software_packageUrl"),
    ...objects(one, "externalIdentifier")
      .filter((each) => PURLS.includes(text(each, "externalIdentifierType")))
      .map((each) => text(each, "identifier")),
  ];

  function subjectOf(found, purls) {
    return found ? (unique(purls(found)).sort(byCodePoint)[0] ?? text(found, "name")) : "";
  }

  function spdx2(value) {
    const packages = objects(value, "packages");
    const said = objects(value, "relationships").filter(
      (one) => text(one, "spdxElementId") === "SPDXRef-DOCUMENT" && text(one, "relationshipType") === "DESCRIBES",
    );
    const described = unique([...texts(value, "documentDescribes"), ...said.map((one) => text(one, "relatedSpdxElement"))]);
    const found = only(described) && packages.find((one) => text(one, "SPDXID") === only(described));
    return {
      title: text(value, "name"),
      subject: subjectOf(found, spdx2Purls),
      aliases: [],
      purls: packages.flatMap(spdx2Purls),
      packages: packages.map((one) => text(one, "name")),
    };
  }

  /** Return the elements of an SPDX 3 document: its graph, or the document itself. */
  function spdx3Elements(value) {
    const graph = objects(value, "@graph");
    return graph.length ? graph : [value];
  }

  function spdx3Subject(document, elements, packages) {
    const roots = texts(document, "rootElement");
    const nested = elements.filter((one) => roots.includes(text(one, "spdxId"))).flatMap((one) => texts(one, "rootElement"));
    const name = only(unique([...roots, ...nested])) || only(unique(nested));
    return subjectOf(name && packages.find((one) => text(one, "spdxId") === name), spdx3Purls);
  }

  function spdx3(value) {
    const elements = spdx3Elements(value);
    const document = elements.find((one) => text(one, "type") === "SpdxDocument");
    const packages = elements.filter((one) => text(one, "type") === "software_Package");
    return {
      title: text(document, "name"),
      subject: spdx3Subject(document, elements, packages),
      aliases: [],
      purls: packages.flatMap(spdx3Purls),
      packages: packages.map((one) => text(one, "name")),
    };
  }

  function trivy(value) {
    const results = objects(value, "Results");
    const packages = results.flatMap((one) => objects(one, "Packages"));
    const found = results.flatMap((one) => objects(one, "Vulnerabilities"));
    const issues = results.flatMap((one) => ISSUES.flatMap((key) => objects(one, key)));
    return {
      title: text(value, "ArtifactName"),
      subject: text(value, "ArtifactName"),
      aliases: issues.map((one) => text(one, "VulnerabilityID")),
      purls: [
        ...packages.map((one) => text(one, "Identifier", "PURL")),
        ...found.map((one) => text(one, "PkgIdentifier", "PURL")),
      ],
      packages: [...packages.map((one) => text(one, "Name")), ...issues.map((one) => text(one, "PkgName"))],
    };
  }

  /** Return what Grype scanned: an image as the user named it, or a path. */
  function grypeTarget(value) {
    const target = at(value, "source", "target");
    if (typeof target === "string" && target) return target;
    return text(target, "userInput") || text(target, "imageID");
  }

  function grype(value) {
    const found = objects(value, "matches");
    return {
      title: grypeTarget(value),
      subject: grypeTarget(value),
      aliases: found.map((one) => text(one, "vulnerability", "id")),
      purls: found.map((one) => text(one, "artifact", "purl")),
      packages: found.map((one) => text(one, "artifact", "name")),
    };
  }

  /** Return the rule of a SARIF result. */
  const sarifRule = (result) => text(result, "ruleId") || text(result, "rule", "id");

  function sarif(value) {
    const runs = objects(value, "runs");
    return {
      title: runs.map((run) => text(run, "tool", "driver", "name")).find(Boolean) ?? "",
      aliases: runs.flatMap((run) => objects(run, "results")).map(sarifRule),
      purls: [],
      packages: [],
    };
  }

  Object.assign(readers, { spdx2, spdx3, "trivy-json": trivy, "grype-json": grype, sarif });

  /** Return the name of a record's format: "osv" of "osv/1.6.0" and of "osv+yaml/1.6.0". */
  const formatName = (record) => text(record, "format").split("/")[0].split("+")[0];

  /**
   * Return what a record is searched by: {id, title, subject, aliases, purls, packages}, texts and lists of unique
   * texts. Never throws; of a format that is not known only the id is told.
   */
  function of(record) {
    const read = Object.hasOwn(readers, formatName(record)) ? readers[formatName(record)] : () => ({});
    const { title = "", subject = "", aliases = [], purls = [], packages = [] } = read(at(record, "content"));
    const lists = { aliases: unique(aliases), purls: unique(purls), packages: unique(packages) };
    return { id: text(record, "id"), title, subject, ...lists };
  }

  Object.assign(EC.facts, { of, formatName, ISSUES, spdx2Purls, spdx3Purls, spdx3Elements, grypeTarget, sarifRule });
})();
