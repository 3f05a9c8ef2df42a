// What differs between two manifests, as rows and sentences. Values in, values out: nothing here touches the page.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const DIMENSIONS = [
    ["byKind", "Type"],
    ["bySource", "Source"],
    ["byEcosystem", "Ecosystem"],
    ["bySeverity", "Severity"],
    ["byFormat", "Format"],
  ];
  const REST = "(other)";

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isNumber = (value) => value instanceof EC.json.Lexeme;

  /** A value as JSON; numbers of EC.json.parse keep the digits they were written with. */
  function spelled(value) {
    if (isNumber(value)) return value.text;
    if (Array.isArray(value)) return `[${value.map(spelled).join(",")}]`;
    if (!isObject(value)) return JSON.stringify(value);
    return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}:${spelled(one)}`).join(",")}}`;
  }

  const text = (value) => (typeof value === "string" ? value : value === undefined ? "" : spelled(value));

  /** Digests side by side, with what it means that they are equal, or not. */
  function digests(a, b) {
    const rows = [
      ["contentDigest", "The evidence in both is the same, byte for byte.", "They do not carry the same evidence."],
      ["contextDigest", "The same was asked, of the same records.", "Something else was asked, or it was asked of other records."],
      ["snapshotDigest", "The same records were selected, in the same original documents.", "Other records were selected, or documents changed."],
    ];
    return rows.map(([name, same, other]) => {
      const equal = a[name] === b[name];
      return { name, a: a[name], b: b[name], equal, meaning: equal ? same : other };
    });
  }

  /** The whole comparison in one or two sentences. */
  function verdict(a, b) {
    const [content, context, snapshot] = digests(a, b).map(({ equal }) => equal);
    if (content && context) return "Both carry the same evidence, and were asked the same.";
    if (content) return "Both carry the same evidence, though something else was asked.";
    if (context) return "The same was asked of the same records, and yet the evidence differs: another adapter, another version of it, or other policy decisions wrote it.";
    if (snapshot) return "The same records were selected, and written differently: look at what was asked and at the toolchain.";
    return "They carry different evidence.";
  }

  /** What a manifest counts in one way: of a bundle that nobody verified, it may be anything. */
  function table(manifest, field) {
    const found = manifest.counts[field];
    const entries = typeof found === "object" && found !== null ? Object.entries(found) : [];
    return new Map(entries.filter(([, count]) => Number.isSafeInteger(count)));
  }

  /** Counts of both by each way of counting: {dimension, value, a, b, change}. The one (other) row is the sum of the rest. */
  function counts(a, b) {
    const rows = [row("All", "records", Number(a.counts.records), Number(b.counts.records))];
    for (const [field, dimension] of DIMENSIONS) {
      const [left, right] = [table(a, field), table(b, field)];
      for (const name of new Set([...left.keys(), ...right.keys()])) {
        rows.push(row(dimension, name || "(empty)", left.get(name) ?? 0, right.get(name) ?? 0));
      }
    }
    return rows;
  }

  const row = (dimension, value, a, b) => ({ dimension, value, a, b, change: b - a });

  /** Whether a table of counts left values out, so that a value's count may be 0 for want of room alone. */
  const shortened = (manifest) => DIMENSIONS.some(([field]) => table(manifest, field).has(REST));

  /** Everything that decided a bundle, side by side: {part, name, a, b, differs}. */
  function decided(a, b) {
    const sides = [a, b].map(facts);
    const names = new Set(sides.flatMap((side) => [...side.keys()]));
    return [...names].map((name) => {
      const [left, right] = sides.map((side) => side.get(name) ?? "");
      const [part, field] = name.split("\n");
      return { part, name: field, a: left, b: right, differs: left === right ? "same" : "different" };
    });
  }

  const listed = (value) => (Array.isArray(value) ? value.filter(isObject) : []);

  function facts(manifest) {
    const found = new Map();
    const put = (part, name, value) => found.set(`${part}\n${name}`, text(value));
    const all = (part, object) => Object.entries(object ?? {}).forEach(([name, value]) => put(part, name, value));
    put("Bundle", "asOf", manifest.asOf);
    put("Bundle", "formatVersion", manifest.formatVersion);
    all("Profile", manifest.profile);
    all("Selectors", manifest.selectors);
    all("Policy snapshot", manifest.policySnapshot);
    all("Delta from", manifest.base);
    all("Encryption", manifest.encryption);
    for (const { name, version, options } of listed(manifest.adapters)) {
      put("Adapters", name, version);
      if (Object.keys(options ?? {}).length) put("Adapters", `${name} options`, options);
    }
    for (const { name, version } of listed(manifest.normalisers)) put("Normalisers", name, version);
    all("Toolchain", manifest.toolchain);
    return found;
  }

  function memberState(left, right) {
    if (!left) return "only in B";
    if (!right) return "only in A";
    if (left.sha256 === right.sha256) return "same";
    return left.framesSha256 !== undefined && left.framesSha256 === right.framesSha256 ? "same content, packed otherwise" : "different";
  }

  /** Members of both: {path, state, aBytes, bBytes, aRecords, bRecords, aSha256, bSha256}. */
  function members(a, b) {
    const [left, right] = [a, b].map(({ members: list }) => new Map(list.map((one) => [one.path, one])));
    return [...new Set([...left.keys(), ...right.keys()])].map((path) => {
      const [one, other] = [left.get(path), right.get(path)];
      return {
        path,
        state: memberState(one, other),
        aBytes: one?.bytes ?? null,
        bBytes: other?.bytes ?? null,
        aRecords: one?.records ?? null,
        bRecords: other?.records ?? null,
        aSha256: one?.sha256 ?? "",
        bSha256: other?.sha256 ?? "",
      };
    });
  }

  const equal = (a, b) => spelled(a) === spelled(b);
  const hasFields = (value) => isObject(value) && !isNumber(value);

  /**
   * What changed inside of a document, as EC.json.parse gives it: {path, a, b}; a side that has nothing there is
   * undefined. The order of fields and the spelling of texts are no change; that of numbers is. Of lists, what is equal
   * at both ends is left out; what is between stands side by side only when there is as much of it.
   */
  function* changes(a, b, path = "") {
    if (equal(a, b)) return;
    if (hasFields(a) && hasFields(b)) {
      const { at } = EC.facts;
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) yield* changes(at(a, key), at(b, key), path ? `${path}.${key}` : key);
    } else if (Array.isArray(a) && Array.isArray(b)) yield* ofLists(a, b, path);
    else yield { path, a, b };
  }

  function* ofLists(a, b, path) {
    let start = 0;
    while (start < Math.min(a.length, b.length) && equal(a[start], b[start])) start += 1;
    let end = 0;
    while (end < Math.min(a.length, b.length) - start && equal(a.at(-1 - end), b.at(-1 - end))) end += 1;
    const [old, come] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
    const at = (place) => `${path}[${start + place}]`;
    if (old.length === come.length) for (const [place, value] of old.entries()) yield* changes(value, come[place], at(place));
    else {
      for (const [place, value] of old.entries()) yield { path: at(place), a: value, b: undefined };
      for (const [place, value] of come.entries()) yield { path: at(place), a: undefined, b: value };
    }
  }

  EC.compareWords = { digests, verdict, counts, shortened, decided, members, changes, text };
})();
