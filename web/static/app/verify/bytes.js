// Bytes and texts.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const encoder = new TextEncoder();
  const { equal, hex } = EC.hash;

  function compare(left, right) {
    const length = Math.min(left.length, right.length);
    for (let place = 0; place < length; place++) if (left[place] !== right[place]) return left[place] - right[place];
    return left.length - right.length;
  }

  function concat(pieces) {
    const joined = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
    let place = 0;
    for (const piece of pieces) {
      joined.set(piece, place);
      place += piece.length;
    }
    return joined;
  }

  const utf8 = (text) => encoder.encode(text);

  /** Bytes as text: each becomes the character of its number, so nothing is lost or refused. */
  function latin(bytes) {
    const parts = [];
    for (let place = 0; place < bytes.length; place += 8192) {
      parts.push(String.fromCharCode(...bytes.subarray(place, place + 8192)));
    }
    return parts.join("");
  }

  const toBase64 = (bytes) => btoa(latin(bytes));

  /** Read standard base64 in its one canonical spelling: no line breaks, no unused bits. Throws FormatError. */
  function fromBase64(text) {
    if (typeof text !== "string") throw new V.FormatError("base64 text expected");
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) throw new V.FormatError("not base64");
    const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    if (toBase64(data) !== text) throw new V.FormatError("base64 in another spelling than the canonical one");
    return data;
  }

  /** Little-endian unsigned number of 2, 4 or 8 bytes; beyond 2^53 it is only nearly exact, and refused by size. */
  function number(bytes, place, size) {
    let value = 0;
    for (let at = place + size - 1; at >= place; at--) value = value * 256 + bytes[at];
    return value;
  }

  /** Write fields of [value, size in bytes], little-endian; a byte string stands for itself. */
  function pack(...fields) {
    return concat(fields.map((field) => (field instanceof Uint8Array ? field : packed(...field))));
  }

  function packed(value, size) {
    const bytes = new Uint8Array(size);
    for (let place = 0; place < size; place++, value = Math.floor(value / 256)) bytes[place] = value % 256;
    return bytes;
  }

  V.bytes = { equal, compare, concat, hex, utf8, latin, toBase64, fromBase64, number, pack };
})();
