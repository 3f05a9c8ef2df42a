// export.json: its schema, and what only several of its fields together can say wrongly (bundle/manifest.py).
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const FORMAT = "export-center-bundle";
  const VERSION = "0.1";
  const EVALUATIONS = "data/policy/evaluations.jsonl.zst";
  const EVIDENCE = /^(mirror\/)?data\//;
  const MAX_NAME = 100;

  const wrong = (where, message) => new V.FormatError(`export.json: ${message} - at ${where}`);

  const when = (test, wanted) => (value, where) => {
    if (!test(value)) throw wrong(where, `expected ${wanted}`);
  };
  const isText = (value) => typeof value === "string";
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const like = (pattern, wanted) => when((value) => isText(value) && pattern.test(value), wanted);
  const any = () => {};
  const text = when(isText, "a text");
  const word = when((value) => isText(value) && value !== "", "a text that is not empty");
  const truth = when((value) => typeof value === "boolean", "true or false");
  const count = when((value) => Number.isSafeInteger(value) && value >= 0, "a number from 0 on");
  const digest = like(/^[0-9a-f]{64}$/, "a SHA-256");
  const instant = like(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$/, "a time in UTC");
  const path = like(/^[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*(\/[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*)*$/, "a safe name");
  const is = (wanted) => when((value) => value === wanted, JSON.stringify(wanted));
  const orNull = (check) => (value, where) => value === null || check(value, where);

  const list = (check, least = 0) => (value, where) => {
    if (!Array.isArray(value) || value.length < least) throw wrong(where, "expected a list");
    value.forEach((item, place) => check(item, `${where}[${place}]`));
  };
  const table = (check) => (value, where) => {
    if (!isObject(value)) throw wrong(where, "expected an object");
    for (const name of Object.keys(value)) check(value[name], `${where}.${name}`);
  };
  const shape = (required, optional = {}) => (value, where) => {
    const missing = isObject(value) ? Object.keys(required).find((name) => !Object.hasOwn(value, name)) : "";
    if (missing !== undefined) throw wrong(where, missing ? `no field ${missing}` : "expected an object");
    for (const name of Object.keys(value)) {
      const check = Object.hasOwn(required, name) ? required[name] : Object.hasOwn(optional, name) && optional[name];
      if (!check) throw wrong(where, `unknown field ${JSON.stringify(name)}`);
      check(value[name], `${where}.${name}`);
    }
  };

  const member = shape(
    { path, mediaType: word, bytes: count, sha256: digest },
    { records: count, plainBytes: count, framesSha256: digest },
  );
  const counts = table(count);
  const manifest = shape({
    format: is(FORMAT),
    formatVersion: is(VERSION),
    profile: shape({
      id: word, revision: count, kind: word, variant: word, include: list(word), sha256: digest, commit: orNull(text),
    }),
    selectors: table(any),
    asOf: instant,
    snapshotDigest: digest,
    contentDigest: digest,
    contextDigest: digest,
    policySnapshot: orNull(shape({ id: word, sha256: digest })),
    adapters: list(shape({ name: word, version: word, options: table(any) })),
    normalisers: list(shape({ name: word, version: word })),
    toolchain: shape({
      exportCenter: word, libzstd: word, zstdParameters: word, frameMinimum: count, frameMean: count,
      frameMaximum: count, viewer: text,
    }),
    members: list(member),
    counts: shape({
      records: count, byKind: counts, bySource: counts, byFormat: counts, byEcosystem: counts, bySeverity: counts,
      withoutModified: count, findingsWithoutPolicy: count,
    }),
    base: orNull(shape({ contentDigest: digest, snapshotDigest: digest })),
    encryption: orNull(shape({ mode: word, recipients: list(word, 1), strict: truth })),
  });

  async function digestOf(value) {
    return V.bytes.hex(await EC.hash.sha256(V.canonical.encode(value)));
  }

  // Python compares texts by code points; so do their UTF-8 bytes.
  const byCodePoint = (left, right) => V.bytes.compare(V.bytes.utf8(left), V.bytes.utf8(right));

  function contentDigest(members) {
    const evidence = members.filter(({ path: name }) => EVIDENCE.test(name));
    const content = evidence.map(({ path: name, framesSha256, sha256 }) => [name, framesSha256 ?? sha256]);
    return digestOf(content.sort(([left], [right]) => byCodePoint(left, right)));
  }

  function contextDigest({ selectors, snapshotDigest, profile: { kind, variant, include } }) {
    return digestOf([selectors, snapshotDigest, kind, variant, [...include].sort(byCodePoint)]);
  }

  function checkMember(listed) {
    const framed = ["plainBytes", "framesSha256"].filter((name) => name in listed).length;
    if (framed && !(framed === 2 && "records" in listed)) {
      throw new V.FormatError(`export.json: ${listed.path} has some of plainBytes, framesSha256 and records, not all`);
    }
  }

  async function checkConsistency(value) {
    value.members.forEach(checkMember);
    const contradiction = (message) => new V.FormatError(`export.json contradicts itself: ${message}`);
    if (new Set(value.profile.include).size !== value.profile.include.length) {
      throw new V.FormatError("export.json: profile.include names something twice");
    }
    if (value.contentDigest !== (await contentDigest(value.members))) {
      throw contradiction("contentDigest is not that of its members");
    }
    if (value.contextDigest !== (await contextDigest(value))) {
      throw contradiction("contextDigest is not that of what was asked");
    }
    const counted = value.members.filter(({ path: name }) => name !== EVALUATIONS);
    const records = counted.reduce((sum, listed) => sum + (listed.records ?? 0), 0);
    if (value.counts.records !== records) {
      throw contradiction(`it counts ${value.counts.records} records, and lists ${records}`);
    }
  }

  /** Refuse names that are unsafe, taken twice, of the envelope, or those of a file and of a folder. */
  function checkNames(names, taken) {
    const seen = new Set(taken);
    const folders = new Set();
    for (const name of names) {
      if (name.length > MAX_NAME) throw new V.FormatError(`${JSON.stringify(name)} is no name that a member may have`);
      if (seen.has(name)) throw new V.FormatError(`the name ${JSON.stringify(name)} is taken twice`);
      seen.add(name);
      for (let end = name.indexOf("/"); end > 0; end = name.indexOf("/", end + 1)) folders.add(name.slice(0, end));
    }
    const both = [...folders].find((name) => seen.has(name));
    if (both) throw new V.FormatError(`${JSON.stringify(both)} is the name of a file and of a folder`);
  }

  /** Read export.json; throws FormatError unless it is canonical, follows its schema and agrees with itself. */
  async function parse(data) {
    const value = V.canonical.decode(data);
    const found = isObject(value) ? [value.format, value.formatVersion] : [];
    if (found[0] !== FORMAT || found[1] !== VERSION) {
      throw new V.FormatError(
        `export.json has format ${JSON.stringify(found[0] ?? null)} version ${JSON.stringify(found[1] ?? null)}`,
        `This program reads ${FORMAT} version ${VERSION}; use the one that made the bundle.`,
      );
    }
    manifest(value, "$");
    await checkConsistency(value);
    return value;
  }

  V.manifest = { parse, checkNames };
})();
