// Ranges of versions in words, as stated: no version is compared or interpreted.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { shown, objects, texts, text } = EC.facts;
  const COMMIT = /^[0-9a-f]{40}$/;

  const short = (version) => (COMMIT.test(version) ? `${version.slice(0, 12)}…` : version);

  /** Pair the events of one OSV range, in their order; an event "0" comes first wherever it stands. */
  function intervals(events) {
    const found = [];
    let start = null;
    const ordered = [...events].sort((a, b) => (shown(a, "introduced") !== "0") - (shown(b, "introduced") !== "0"));
    for (const event of ordered) {
      const introduced = shown(event, "introduced");
      if (introduced) {
        if (start !== null) found.push({ introduced: start });
        start = introduced;
      }
      for (const end of ["fixed", "last_affected", "limit"]) {
        if (!shown(event, end)) continue;
        found.push({ introduced: start ?? found.at(-1)?.introduced ?? "", [end]: shown(event, end) });
        start = null;
      }
    }
    if (start !== null) found.push({ introduced: start });
    return found;
  }

  /** Say an interval: {introduced, fixed, last_affected, limit} as "from 1.0, before 2.3". */
  function words(interval) {
    const { introduced, fixed, last_affected: last, limit } = interval;
    const from = introduced && !/^0(\.0\.0-0)?$/.test(introduced) ? `from ${short(introduced)}` : "";
    const ends = [fixed && `before ${short(fixed)}`, last && `up to and including ${short(last)}`, limit && `below ${short(limit)}`];
    const end = ends.filter(Boolean).join(", ");
    if (from) return end ? `${from}, ${end}` : `${from} on`;
    return end || (introduced ? "all versions" : "");
  }

  /** Return the ranges of one affected package of an OSV document: [{words, type, repo}]. */
  function osv(affected) {
    return objects(affected, "ranges").flatMap((range) =>
      intervals(objects(range, "events")).map((interval) => ({
        words: words(interval),
        type: text(range, "type"),
        repo: text(range, "repo"),
      })),
    );
  }

  function cveEntry(version) {
    const status = shown(version, "status") || "unknown";
    const start = shown(version, "version");
    const end = { fixed: shown(version, "lessThan"), last_affected: shown(version, "lessThanOrEqual") };
    const changes = objects(version, "changes").map((one) => `${shown(one, "status")} from ${shown(one, "at")} on`);
    const ranged = end.fixed || end.last_affected;
    const said = ranged ? words({ introduced: start || "0", ...end }) : start;
    return { words: [said, ...changes].join("; "), status, type: shown(version, "versionType"), ranged };
  }

  /** Return what a CVE record says of a product: {ranges: [{words, status, type}], versions, fallback}. */
  function cve(product) {
    const entries = objects(product, "versions").map(cveEntry);
    const isPlain = (entry) => !entry.ranged && entry.status === "affected" && !entry.words.includes("; ");
    const plain = entries.filter(isPlain);
    const ranges = entries.filter((entry) => !isPlain(entry));
    return { ranges, versions: plain.map((entry) => entry.words), fallback: shown(product, "defaultStatus") };
  }

  EC.ranges = { osv, cve, words, intervals, versions: (affected) => texts(affected, "versions") };
})();
