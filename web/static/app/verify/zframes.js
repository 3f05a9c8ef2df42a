// The zstd frames of a member, read one after another in bounded memory (RFC 8878, section 3.1.1).
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const NEWLINE = 10;
  /** A frame with more plain bytes is decompressed block by block: the page must not stand still meanwhile. */
  const AT_ONCE = 512 << 10;
  /** A frame with more is never held as a whole. */
  const HELD = 16 << 20;

  const damaged = (why) => new V.FormatError(`a frame cannot be decompressed: ${why}`);

  function linesIn(plain) {
    let lines = 0;
    for (let place = plain.indexOf(NEWLINE); place >= 0; place = plain.indexOf(NEWLINE, place + 1)) lines++;
    return lines;
  }

  async function readWhole({ header, bytes, size }, walk) {
    const parts = [header];
    let compressed = bytes;
    for await (const { block } of walk.blocks(size)) {
      parts.push(block);
      compressed += block.length;
    }
    let plain;
    try {
      plain = V.unzstd(V.bytes.concat(parts));
    } catch (error) {
      throw damaged(error.message);
    }
    if (plain.length !== size) throw damaged(`it states ${size} plain bytes and holds ${plain.length}`);
    const whole = plain[size - 1] === NEWLINE;
    return { compressed, size, sha256: EC.hash.sha256(plain), lines: linesIn(plain), whole };
  }

  /** Takes what a frame holds piece by piece: held for the browser's own hash, unless that would be too much. */
  class Plain {
    constructor(stated) {
      Object.assign(this, { stated, size: 0, lines: 0, whole: false });
      this.held = stated <= HELD ? new Uint8Array(stated) : null;
      this.hash = this.held ? null : V.sha256Stream();
    }

    take(piece) {
      if (this.size + piece.length > this.stated) throw new Error(`it states ${this.stated} plain bytes and holds more`);
      if (this.held) this.held.set(piece, this.size);
      else this.hash.update(piece);
      this.size += piece.length;
      this.lines += linesIn(piece);
      if (piece.length) this.whole = piece[piece.length - 1] === NEWLINE;
    }

    digest() {
      return this.held ? EC.hash.sha256(this.held) : this.hash.digest();
    }
  }

  async function readStreamed({ header, bytes, size }, walk, signal) {
    const plain = new Plain(size);
    const decoder = V.unzstdStream((piece) => plain.take(piece));
    const feed = (part) => {
      try {
        decoder.push(part);
      } catch (error) {
        throw damaged(error.message);
      }
    };
    feed(header);
    let compressed = bytes;
    for await (const { block } of walk.blocks(size)) {
      feed(block);
      compressed += block.length;
      await EC.turn.due(signal);
    }
    if (plain.size !== size) throw damaged(`it states ${size} plain bytes and holds ${plain.size}`);
    return { compressed, size, sha256: plain.digest(), lines: plain.lines, whole: plain.whole };
  }

  /**
   * Yield every frame of a member, in order: {compressed, size, sha256, lines, whole}. While one is decompressed, the
   * browser hashes the one before it.
   * @param {() => Promise<Uint8Array | null>} next gives the member's bytes
   * @param {{limit: number, signal: AbortSignal}} options the most plain bytes a frame may hold
   */
  async function* frames(next, { limit, signal }) {
    const walk = new EC.zstd.Walk(next, (message) => new V.FormatError(message));
    let before = null;
    while (await walk.more()) {
      const stated = await walk.frame(limit);
      const read = stated.size > AT_ONCE ? readStreamed : readWhole;
      const frame = await read(stated, walk, signal);
      await EC.turn.due(signal);
      if (before) yield { ...before, sha256: await before.sha256 };
      before = frame;
    }
    if (before) yield { ...before, sha256: await before.sha256 };
  }

  V.zframes = { frames };
})();
