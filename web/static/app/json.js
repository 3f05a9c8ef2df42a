// JSON as text: numbers keep their spelling ("9.0" stays "9.0"), and only what is looked at is taken apart.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const MARK = "\u0000number:";
  /** Stands before a string of the document that begins as a mark does; numbers are never told by what others wrote. */
  const TEXT = "\u0000text:";
  const COLON = /[ \t\r\n]*:/y;
  const KINDS = { "{": "object", "[": "array", '"': "string", t: "literal", f: "literal", n: "literal" };
  const BLANK = /[ \t\r\n]/;

  /** A number as it was spelled. */
  class Lexeme {
    constructor(text) {
      this.text = text;
    }
    toString() {
      return this.text;
    }
    toJSON() {
      return Number(this.text);
    }
  }

  /** Mark a number, or a string that could be taken for one; keys are never taken for values. */
  function mark(token, at, text) {
    if (token[0] !== '"') return `"\\u0000number:${token}"`;
    if (!token.startsWith('"\\u0000')) return token;
    COLON.lastIndex = at + token.length;
    return COLON.test(text) ? token : `"\\u0000text:${token.slice(1)}`;
  }

  function unmark(_, value) {
    if (typeof value !== "string" || value[0] !== MARK[0]) return value;
    return value.startsWith(MARK) ? new Lexeme(value.slice(MARK.length)) : value.slice(TEXT.length);
  }

  /** Parse JSON; every number becomes a `Lexeme`. Throws SyntaxError as JSON.parse does. */
  const parse = (text) => JSON.parse(text.replace(TOKEN, mark), unmark);

  function skip(text, at) {
    while (BLANK.test(text[at] ?? "")) at++;
    return at;
  }

  /** Return the place behind the string that begins at `at`. */
  function endOfString(text, at) {
    for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (text[end - 1 - slashes] === "\\") slashes++;
      if (slashes % 2 === 0) return end + 1;
    }
    throw new SyntaxError("a string does not end");
  }

  /** Return the place behind the value that begins at `at`. */
  function endOfValue(text, at) {
    let depth = 0;
    for (let place = at; place < text.length; ) {
      const sign = text[place];
      if (sign === '"') place = endOfString(text, place);
      else if (sign === "{" || sign === "[") [depth, place] = [depth + 1, place + 1];
      else if (sign === "}" || sign === "]") {
        if (depth === 0) return place;
        [depth, place] = [depth - 1, place + 1];
      } else if (depth === 0 && (sign === "," || sign === ":" || BLANK.test(sign))) return place;
      else place++;
      if (depth === 0 && /["}\]]/.test(text[place - 1])) return place;
    }
    return text.length;
  }

  /** Return where a value stands and what it is: {start, end, kind}. */
  function valueAt(text, at) {
    const start = skip(text, at);
    return { start, end: endOfValue(text, start), kind: KINDS[text[start]] ?? "number" };
  }

  /**
   * Return the values directly inside an object or array: [{key, spelled, start, end, kind}]; in arrays `key` is null
   * and `spelled`, the key as it is written, quotes included, is "".
   */
  function children(text, node) {
    const found = [];
    let at = skip(text, node.start + 1);
    while (at < node.end - 1) {
      let key = null;
      let spelled = "";
      if (node.kind === "object") {
        const end = endOfString(text, at);
        spelled = text.slice(at, end);
        key = JSON.parse(spelled);
        at = skip(text, end) + 1;
      }
      const value = valueAt(text, at);
      found.push({ key, spelled, ...value });
      at = skip(text, value.end);
      if (text[at] === ",") at = skip(text, at + 1);
    }
    return found;
  }

  /** Return where the value of a key of the outermost object stands, or null. */
  function find(text, key) {
    const root = valueAt(text, 0);
    return (root.kind === "object" && children(text, root).find((child) => child.key === key)) || null;
  }

  /** Return JSON indented by two spaces, to a depth of 200; every string and number is spelled as before. */
  function pretty(text, node = valueAt(text, 0), indent = "") {
    if ((node.kind !== "object" && node.kind !== "array") || indent.length > 400) return text.slice(node.start, node.end);
    const inner = children(text, node);
    const [open, close] = node.kind === "object" ? "{}" : "[]";
    if (!inner.length) return open + close;
    const deeper = `${indent}  `;
    const lines = inner.map((child) => {
      const key = child.spelled && `${child.spelled}: `;
      return `${deeper}${key}${pretty(text, child, deeper)}`;
    });
    return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
  }

  EC.json = { Lexeme, parse, valueAt, children, find, pretty };
})();
