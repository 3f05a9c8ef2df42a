// Canonical JSON (RFC 8785) without floating point, as bundle/canonical.py has it.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const MAX_DEPTH = 100;
  const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

  function text(value) {
    if (LONE.test(value)) throw new V.FormatError("a string holds a lone surrogate");
    return JSON.stringify(value);
  }

  function scalar(value) {
    if (value === null || typeof value === "boolean") return String(value);
    if (typeof value === "string") return text(value);
    if (Number.isSafeInteger(value)) return String(value);
    throw new V.FormatError("JSON with a number or value that has no canonical form here");
  }

  function write(value, depth) {
    if (depth > MAX_DEPTH) throw new V.FormatError(`nested more than ${MAX_DEPTH} deep`);
    if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
    if (value === null || typeof value !== "object") return scalar(value);
    // JavaScript compares texts by UTF-16 code units, which is the order that RFC 8785 asks for.
    const fields = Object.keys(value).sort();
    return `{${fields.map((name) => `${text(name)}:${write(value[name], depth + 1)}`).join(",")}}`;
  }

  /** Return the one UTF-8 encoding of a value. */
  const encode = (value) => V.bytes.utf8(write(value, 0));

  /** Return the value of canonical JSON bytes; throws FormatError for any other spelling. */
  function decode(data) {
    let value;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
    } catch (error) {
      throw new V.FormatError(`not JSON: ${error.message}`);
    }
    if (!V.bytes.equal(encode(value), data)) throw new V.FormatError("JSON, but not in canonical form (RFC 8785)");
    return value;
  }

  V.canonical = { encode, decode };
})();
