// export.json, as far as reading needs it: names and sizes are bounded before anything is done with them. Whether it is
// canonical, complete and signed is for verification to say.
//
//   EC.manifest.parse(bytes) -> the object, or BundleError
//   EC.manifest.FIRST, LAST  -> names of the envelope's members before and after the payload
//   EC.manifest.limitOf(name, manifestBytes) -> the most bytes that a member of the envelope may have
//   EC.manifest.stem(path)   -> "indexes/a/b" for "data/a/b.jsonl.zst", or null where no index belongs to it
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MAX_MANIFEST = 8 << 20;
  const FIRST = [
    "export.json",
    "export.json.sig",
    "export.json.sigstore.json",
    "provenance.json",
    "provenance.json.sig",
    "provenance.sigstore.json",
    "provenance.dsse.json",
  ];
  const LAST = ["checksums.txt", "cosign.pub"];
  const PART = "[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*";
  const NAME = new RegExp(`^${PART}(/${PART})*$`);
  const DIGEST = /^[0-9a-f]{64}$/;
  const FRAMED = ".jsonl.zst";

  const broken = (message, advice = EC.ALTERED) => new EC.BundleError(`export.json: ${message}`, { advice });
  const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  function limitOf(name, manifestBytes = MAX_MANIFEST) {
    if (name === "export.json") return MAX_MANIFEST;
    if (name.endsWith(".sig") || name === "cosign.pub") return 1024;
    return 3 * manifestBytes + (16 << 10);
  }

  function checkMember(member) {
    if (!isObject(member) || typeof member.path !== "string" || member.path.length > 100 || !NAME.test(member.path)) {
      throw broken("a member has a name that no member may have");
    }
    const framed = member.framesSha256 !== undefined;
    const counts = framed ? [member.bytes, member.plainBytes, member.records] : [member.bytes];
    if (!counts.every(isCount)) throw broken(`${member.path} has an impossible size or number of records`);
    const digests = framed ? [member.sha256, member.framesSha256] : [member.sha256];
    if (!digests.every((digest) => typeof digest === "string" && DIGEST.test(digest))) {
      throw broken(`${member.path} has a digest that is none`);
    }
  }

  function checkMembers(members) {
    const seen = new Set([...FIRST, ...LAST]);
    let total = 0;
    for (const member of members) {
      checkMember(member);
      if (seen.has(member.path)) throw broken(`the name ${member.path} is taken twice`);
      seen.add(member.path);
      total += member.bytes;
    }
    if (!Number.isSafeInteger(total)) throw broken("its members are larger than any file");
  }

  function decoded(bytes) {
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    } catch (error) {
      throw broken(`it is no JSON: ${error.message}`);
    }
  }

  function parse(bytes) {
    if (bytes.length > MAX_MANIFEST) throw broken(`it has ${bytes.length} bytes; ${MAX_MANIFEST} are allowed`);
    const manifest = decoded(bytes);
    if (manifest?.format !== "export-center-bundle" || manifest.formatVersion !== "0.1") {
      throw broken("this is not format export-center-bundle 0.1", "Open it with the viewer of the program that made it.");
    }
    const objects = ["profile", "selectors", "toolchain", "counts"];
    if (!Array.isArray(manifest.members) || !objects.every((name) => isObject(manifest[name]))) {
      throw broken("a field that every bundle has is missing");
    }
    checkMembers(manifest.members);
    return manifest;
  }

  function stem(path) {
    const slash = path.indexOf("/");
    return slash > 0 && path.endsWith(FRAMED) ? `indexes/${path.slice(slash + 1, -FRAMED.length)}` : null;
  }

  EC.manifest = { parse, limitOf, stem, FIRST, LAST };
})();
