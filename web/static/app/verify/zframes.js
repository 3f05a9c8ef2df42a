// The zstd frames of a member, read one after another in bounded memory (RFC 8878, section 3.1.1).
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
  const SLACK = 1024;
  const MAX_WINDOW = 8 << 20;
  const MAX_BLOCK = 128 << 10;
  const [RLE, RESERVED] = [1, 3];
  const NEWLINE = 10;
  /** A frame with more plain bytes is decompressed block by block: the page must not stand still meanwhile. */
  const AT_ONCE = 512 << 10;
  /** A frame with more is never held as a whole. */
  const HELD = 16 << 20;
  const SIZE_BYTES = [0, 2, 4, 8];

  /** Bytes that arrive in pieces and can be looked at before they are taken. */
  class Buffer {
    constructor(next) {
      Object.assign(this, { next, pieces: [], held: 0 });
    }

    async has(size) {
      while (this.held < size) {
        const piece = await this.next();
        if (!piece) return false;
        this.pieces.push(piece);
        this.held += piece.length;
      }
      return true;
    }

    async take(size) {
      if (!(await this.has(size))) throw new V.FormatError("a zstd frame is cut off");
      this.held -= size;
      const taken = [];
      for (let rest = size; rest > 0; ) {
        const piece = this.pieces[0].subarray(0, rest);
        if (piece.length < this.pieces[0].length) this.pieces[0] = this.pieces[0].subarray(rest);
        else this.pieces.shift();
        taken.push(piece);
        rest -= piece.length;
      }
      return taken.length === 1 ? taken[0] : V.bytes.concat(taken);
    }
  }

  /** Return the header of the frame that begins here; throws FormatError when none does. */
  async function takeHeader(buffer) {
    const start = await buffer.take(MAGIC.length + 1);
    if (!V.bytes.equal(start.subarray(0, 4), MAGIC)) {
      throw new V.FormatError("a zstd frame does not begin where one should");
    }
    const descriptor = start[4];
    if (descriptor & 0b1111) {
      throw new V.FormatError("a zstd frame has a checksum, a dictionary or reserved bits; frames here have none");
    }
    const single = (descriptor >> 5) & 1;
    const sizeBytes = SIZE_BYTES[descriptor >> 6] || single;
    return V.bytes.concat([start, await buffer.take(1 - single + sizeBytes)]);
  }

  /** Return the plain size that a header states: between 1 and the limit, with a window that can be remembered. */
  function statedSize(header, limit) {
    const single = (header[4] >> 5) & 1;
    const sizeBytes = SIZE_BYTES[header[4] >> 6] || single;
    const size = V.bytes.number(header, header.length - sizeBytes, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    if (!sizeBytes || size < 1 || size > limit) {
      throw new V.FormatError(`a frame states ${size} plain bytes; between 1 and ${limit} are allowed`);
    }
    const base = 2 ** (10 + (header[5] >> 3));
    const window = single ? size : base + (base / 8) * (header[5] & 7);
    if (window > MAX_WINDOW) {
      throw new V.FormatError(`a frame asks for a window of ${window} bytes; ${MAX_WINDOW} are allowed`);
    }
    return size;
  }

  /** Yield the blocks of a frame, each with its own header, still compressed. */
  async function* takeBlocks(buffer, plain) {
    for (let size = 0, last = false; !last; ) {
      const head = await buffer.take(3);
      const fields = V.bytes.number(head, 0, 3);
      const [kind, content] = [(fields >> 1) & 3, fields >> 3];
      last = Boolean(fields & 1);
      if (kind === RESERVED || content > MAX_BLOCK) throw damaged("invalid block");
      const block = V.bytes.concat([head, await buffer.take(kind === RLE ? 1 : content)]);
      size += block.length;
      if (size > plain + Math.floor(plain / 128) + SLACK) {
        throw new V.FormatError(`a zstd frame of ${plain} plain bytes has more than they can need`);
      }
      yield block;
    }
  }

  const damaged = (why) => new V.FormatError(`a frame cannot be decompressed: ${why}`);

  function linesIn(plain) {
    let lines = 0;
    for (let place = plain.indexOf(NEWLINE); place >= 0; place = plain.indexOf(NEWLINE, place + 1)) lines++;
    return lines;
  }

  async function readWhole(header, buffer, size) {
    const parts = [header];
    for await (const block of takeBlocks(buffer, size)) parts.push(block);
    const frame = V.bytes.concat(parts);
    let plain;
    try {
      plain = V.unzstd(frame);
    } catch (error) {
      throw damaged(error.message);
    }
    if (plain.length !== size) throw damaged(`it states ${size} plain bytes and holds ${plain.length}`);
    const whole = plain[size - 1] === NEWLINE;
    return { compressed: frame.length, size, sha256: EC.hash.sha256(plain), lines: linesIn(plain), whole };
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

  async function readStreamed(header, buffer, size, signal) {
    const plain = new Plain(size);
    const decoder = V.unzstdStream((piece) => plain.take(piece));
    const feed = (bytes) => {
      try {
        decoder.push(bytes);
      } catch (error) {
        throw damaged(error.message);
      }
    };
    feed(header);
    let compressed = header.length;
    for await (const block of takeBlocks(buffer, size)) {
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
    const buffer = new Buffer(next);
    let before = null;
    while (await buffer.has(1)) {
      const header = await takeHeader(buffer);
      const size = statedSize(header, limit);
      const read = size > AT_ONCE ? readStreamed : readWhole;
      const frame = await read(header, buffer, size, signal);
      await EC.turn.due(signal);
      if (before) yield { ...before, sha256: await before.sha256 };
      before = frame;
    }
    if (before) yield { ...before, sha256: await before.sha256 };
  }

  V.zframes = { frames };
})();
