// Summaries of scanners' reports: what was found where; classes that found nothing are named too.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { at, text, shown, objects, texts, unique } = EC.facts;
  const { readers, fact, counted } = EC.summary;
  const TRIVY_CLASSES = { Vulnerabilities: "vulnerability", Misconfigurations: "misconfiguration", Secrets: "secret", Licenses: "licence" };

  const EMPTY = { id: "", severity: "", package: "", version: "", fixed: "", title: "", place: "", type: "", url: "" };
  const finding = (stated) => ({ ...EMPTY, ...stated });

  function trivyFinding(one, key, target) {
    return finding({
      id: text(one, "VulnerabilityID") || text(one, "ID") || text(one, "RuleID") || text(one, "Name"),
      severity: text(one, "Severity"),
      package: text(one, "PkgName"),
      version: text(one, "InstalledVersion"),
      fixed: text(one, "FixedVersion"),
      title: text(one, "Title") || text(one, "Message") || text(one, "Category"),
      place: target,
      type: TRIVY_CLASSES[key],
      url: text(one, "PrimaryURL"),
    });
  }

  function trivy(value) {
    const results = objects(value, "Results");
    const findings = results.flatMap((result) =>
      EC.facts.ISSUES.flatMap((key) => objects(result, key).map((one) => trivyFinding(one, key, text(result, "Target")))),
    );
    const packages = results.flatMap((one) => objects(one, "Packages")).length;
    const classes = unique(results.map((one) => text(one, "Class")));
    const os = at(value, "Metadata", "OS");
    return {
      findings,
      dates: [fact("Made", text(value, "CreatedAt"))],
      facts: [
        fact("Artifact", [text(value, "ArtifactName"), text(value, "ArtifactType")].filter(Boolean).join(", ")),
        fact("Image", [...texts(value, "Metadata", "RepoDigests"), text(value, "Metadata", "ImageID")].filter(Boolean).join("; ")),
        fact("System", [text(os, "Family"), shown(os, "Name")].filter(Boolean).join(" ")),
        fact("Targets", counted(results.length, "target")),
        fact("Classes that were scanned", classes.join(", ") || "none stated"),
        fact("Packages", counted(packages, "package")),
        fact("Misconfigurations", misconfigurations(results)),
      ],
    };
  }

  /** Say how many checks passed and failed, as Trivy counts them. */
  function misconfigurations(results) {
    const sums = results.map((one) => at(one, "MisconfSummary")).filter(Boolean);
    const total = (key) => sums.reduce((sum, one) => sum + Number(shown(one, key) || 0), 0);
    return sums.length ? `${total("Failures")} failed, ${total("Successes")} passed, ${total("Exceptions")} excepted` : "";
  }

  function grypeFinding(match) {
    const { vulnerability, artifact } = match;
    return finding({
      id: text(vulnerability, "id"),
      severity: text(vulnerability, "severity"),
      package: text(artifact, "name"),
      version: shown(artifact, "version"),
      fixed: texts(vulnerability, "fix", "versions").join(", ") || text(vulnerability, "fix", "state"),
      title: text(vulnerability, "description"),
      place: unique(objects(artifact, "locations").map((one) => text(one, "path"))).slice(0, 3).join(", "),
      type: text(artifact, "type"),
      url: text(vulnerability, "dataSource"),
    });
  }

  function grype(value) {
    const ignored = objects(value, "ignoredMatches").length;
    const database = at(value, "descriptor", "db");
    return {
      findings: objects(value, "matches").map(grypeFinding),
      dates: [fact("Made", text(value, "descriptor", "timestamp"))],
      facts: [
        fact("Target", EC.facts.grypeTarget(value)),
        fact("Tool", [text(value, "descriptor", "name"), shown(value, "descriptor", "version")].filter(Boolean).join(" ")),
        fact("Database built", text(database, "built") || text(database, "status", "built")),
        fact("System", [text(value, "distro", "name"), shown(value, "distro", "version")].filter(Boolean).join(" ")),
        fact("Ignored matches", ignored ? EC.figures.number(ignored) : ""),
      ],
    };
  }

  function sarifPlace(result) {
    const places = objects(result, "locations").map((one) => {
      const uri = text(one, "physicalLocation", "artifactLocation", "uri");
      const line = shown(one, "physicalLocation", "region", "startLine");
      return line ? `${uri}:${line}` : uri;
    });
    return unique(places).slice(0, 3).join(", ");
  }

  function sarifFinding(result, rules) {
    const rule = rules.get(EC.facts.sarifRule(result));
    return finding({
      id: EC.facts.sarifRule(result),
      severity: text(result, "level") || text(rule, "defaultConfiguration", "level"),
      title: text(result, "message", "text") || text(rule, "shortDescription", "text"),
      place: sarifPlace(result),
      type: text(result, "kind"),
      url: text(rule, "helpUri"),
    });
  }

  function sarifRun(run) {
    const drivers = [at(run, "tool", "driver"), ...objects(run, "tool", "extensions")];
    const rules = new Map(drivers.flatMap((one) => objects(one, "rules")).map((one) => [text(one, "id"), one]));
    return objects(run, "results").map((result) => sarifFinding(result, rules));
  }

  function sarif(value) {
    const runs = objects(value, "runs");
    const tools = runs.map((run) => [text(run, "tool", "driver", "name"), shown(run, "tool", "driver", "version")].filter(Boolean).join(" "));
    const ends = runs.flatMap((run) => objects(run, "invocations")).map((one) => text(one, "endTimeUtc"));
    return {
      findings: runs.flatMap(sarifRun),
      dates: unique(ends).map((end) => fact("Run ended", end)),
      facts: [fact("Tools", unique(tools).join("; ")), fact("Runs", counted(runs.length, "run"))],
    };
  }

  Object.assign(readers, { "trivy-json": trivy, "grype-json": grype, sarif });
})();
