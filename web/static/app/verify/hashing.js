// SHA-256 of streams and CRC-32. The browser's own SHA-256 is several times faster, but takes bytes only as a whole.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  /** Members of at most so many bytes are held and hashed by the browser; larger ones are hashed in a stream. */
  const WHOLE = 16 << 20;
  const SLICE = 512 << 10;
  const TABLES = crcTables();

  function crcTables() {
    const tables = Array.from({ length: 8 }, () => new Int32Array(256));
    for (let number = 0; number < 256; number++) {
      let value = number;
      for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
      tables[0][number] = value;
    }
    for (let table = 1; table < 8; table++) {
      for (let number = 0; number < 256; number++) {
        const before = tables[table - 1][number];
        tables[table][number] = (before >>> 8) ^ tables[0][before & 255];
      }
    }
    return tables;
  }

  /** Go on with a CRC-32 (IEEE) over more bytes; begins with 0. */
  function crc32(bytes, before = 0) {
    const [a, b, c, d, e, f, g, h] = TABLES;
    let value = ~before;
    let place = 0;
    for (const end = bytes.length - 7; place < end; place += 8) {
      value ^= bytes[place] | (bytes[place + 1] << 8) | (bytes[place + 2] << 16) | (bytes[place + 3] << 24);
      value = h[value & 255] ^ g[(value >>> 8) & 255] ^ f[(value >>> 16) & 255] ^ e[value >>> 24]
        ^ d[bytes[place + 4]] ^ c[bytes[place + 5]] ^ b[bytes[place + 6]] ^ a[bytes[place + 7]];
    }
    for (; place < bytes.length; place++) value = a[(value ^ bytes[place]) & 255] ^ (value >>> 8);
    return ~value >>> 0;
  }

  /** SHA-256 of a stream whose size is known before. */
  class StreamHash {
    constructor(size, signal) {
      this.signal = signal;
      this.held = size <= WHOLE ? new Uint8Array(size) : null;
      this.place = 0;
      this.hash = this.held ? null : V.sha256Stream();
    }

    async update(piece) {
      if (this.held) {
        this.held.set(piece, this.place);
        this.place += piece.length;
        return;
      }
      for (let start = 0; start < piece.length; start += SLICE) {
        this.hash.update(piece.subarray(start, start + SLICE));
        await EC.turn.due(this.signal);
      }
    }

    /** Return the 32 bytes of the digest. */
    digest() {
      return this.held ? EC.hash.sha256(this.held) : Promise.resolve(this.hash.digest());
    }
  }

  Object.assign(V, { hashing: { crc32, StreamHash } });
})();
