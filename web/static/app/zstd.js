// Zstd frames, walked block by block before they are decompressed (RFC 8878, section 3.1.1; bundle/zblocks.py).
//
// A decoder allocates the window that a header asks for, and moves all of it for each block: a few bytes could freeze a
// page. So nothing reaches one that was not walked: no checksum, no dictionary, no window beyond MAX_WINDOW, a stated
// size, and no more blocks and bytes than that size can need.
//
//   new EC.zstd.Walk(next, fail)    next() -> Promise<Uint8Array | null>: the bytes, in pieces
//                                   fail(message) -> the Error that is thrown
//     await walk.more()             whether another frame begins, or anything else
//     await walk.frame(limit)       -> {size, bytes, header}: its stated plain size, of at most `limit`; the bytes of its
//                                   header; and a header for a decoder, with no larger a window than the size
//     walk.blocks(size)             -> async iterator of {block, last}: the blocks of that frame, still compressed
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
  const SLACK = 1024;
  const MAX_WINDOW = 8 << 20;
  const MAX_BLOCK = 128 << 10;
  /** Blocks that any frame may have, and plain bytes for each of the others, as a mean. */
  const BLOCKS = 64;
  const OF_A_BLOCK = 512;
  const [RLE, RESERVED] = [1, 3];
  const SIZE_BYTES = [0, 2, 4, 8];

  /** Little-endian; beyond 2^53 only nearly exact, and refused by size. */
  function number(bytes, start, size) {
    let value = 0;
    for (let at = start + size - 1; at >= start; at--) value = value * 256 + bytes[at];
    return value;
  }

  function joined(pieces) {
    if (pieces.length === 1) return pieces[0];
    const found = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
    let place = 0;
    for (const piece of pieces) {
      found.set(piece, place);
      place += piece.length;
    }
    return found;
  }

  /** The header of a single segment of a size: its window is the size, so decoders allocate no more. */
  function segment(size) {
    const header = Uint8Array.of(...MAGIC, 0xa0, 0, 0, 0, 0);
    new DataView(header.buffer).setUint32(5, size, true);
    return header;
  }

  class Walk {
    constructor(next, fail) {
      Object.assign(this, { next, fail, pieces: [], held: 0 });
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

    more() {
      return this.has(1);
    }

    async take(size) {
      if (this.held < size && !(await this.has(size))) throw this.fail("a zstd frame is cut off");
      this.held -= size;
      const taken = [];
      for (let rest = size; rest > 0; ) {
        const piece = this.pieces[0].subarray(0, rest);
        if (piece.length < this.pieces[0].length) this.pieces[0] = this.pieces[0].subarray(rest);
        else this.pieces.shift();
        taken.push(piece);
        rest -= piece.length;
      }
      return joined(taken);
    }

    async frame(limit = Infinity) {
      const start = await this.take(MAGIC.length + 1);
      const descriptor = start[4];
      if (MAGIC.some((byte, place) => start[place] !== byte)) throw this.fail("a zstd frame does not begin where one should");
      if (descriptor & 0b1111) throw this.fail("a zstd frame has a checksum, a dictionary or reserved bits; frames here have none");
      const single = (descriptor >> 5) & 1;
      const sizeBytes = SIZE_BYTES[descriptor >> 6] || single;
      const rest = await this.take(1 - single + sizeBytes);
      const size = number(rest, 1 - single, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
      if (limit === Infinity && !size) throw this.fail("a zstd frame does not state how many bytes it holds");
      if (!sizeBytes || size < 1 || size > limit) {
        throw this.fail(`a frame states ${size} plain bytes; between 1 and ${limit} are allowed`);
      }
      const window = this.window(single, rest, size);
      const header = size <= window ? segment(size) : joined([start, rest]);
      return { size, bytes: start.length + rest.length, header };
    }

    window(single, rest, size) {
      const base = 2 ** (10 + (rest[0] >> 3));
      const window = single ? size : base + (base / 8) * (rest[0] & 7);
      if (window > MAX_WINDOW) throw this.fail(`a frame asks for a window of ${window} bytes; ${MAX_WINDOW} are allowed`);
      return window;
    }

    async *blocks(plain) {
      const most = { bytes: plain + Math.floor(plain / 128) + SLACK, blocks: BLOCKS + Math.floor(plain / OF_A_BLOCK) };
      for (let size = 0, count = 1, last = false; !last; count++) {
        const head = await this.take(3);
        const fields = number(head, 0, 3);
        const [kind, content] = [(fields >> 1) & 3, fields >> 3];
        last = Boolean(fields & 1);
        if (kind === RESERVED || content > MAX_BLOCK) throw this.fail("a frame cannot be decompressed: invalid block");
        const block = joined([head, await this.take(kind === RLE ? 1 : content)]);
        size += block.length;
        if (size > most.bytes || count > most.blocks) {
          throw this.fail(`a zstd frame of ${plain} plain bytes has more than they can need`);
        }
        yield { block, last };
      }
    }
  }

  EC.zstd = { Walk };
})();
