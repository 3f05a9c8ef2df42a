// A .tar.zst as a stream of members: every byte of the container is compared with the one a writer would have written.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const BLOCK = 512;
  const NAME = 100;
  const MAX_OCTAL = 8 ** 11 - 1;
  const CHUNK = 256 << 10;
  const RAW_BLOCK = 128 << 10;
  const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
  const DESCRIPTOR = 0xa0;
  const HEADER = 9;
  const BLOCK_HEADER = 3;

  /** Return the 512 bytes before a member: ustar, mode 0644, uid and gid 0, no names, mtime 0. */
  function header(name, size) {
    const block = new Uint8Array(BLOCK);
    const put = (place, text) => block.set(V.bytes.utf8(text), place);
    put(0, name);
    put(100, "0000644\0" + "0000000\0".repeat(2));
    if (size <= MAX_OCTAL) put(124, `${size.toString(8).padStart(11, "0")}\0`);
    else block.set(V.bytes.pack([size, 12]).reverse(), 124), (block[124] = 0x80);
    put(136, "00000000000\0        0");
    put(257, "ustar\x0000");
    put(148, `${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
    return block;
  }

  /** Return {name, size} of a header; throws ContainerError unless it is exactly the one a writer would write. */
  function parse(block) {
    const name = V.bytes.latin(block.subarray(0, NAME)).replace(/\0+$/, "");
    const digits = V.bytes.latin(block.subarray(124, 135));
    const large = Array.from(block.subarray(125, 136)).reduce((value, byte) => value * 256 + byte, 0);
    const size = block[124] < 0x80 ? (/^[0-7]{11}$/.test(digits) ? parseInt(digits, 8) : -1) : large;
    if (size < 0 || size > Number.MAX_SAFE_INTEGER || /[^\0-\x7f]/.test(name)) {
      throw new V.ContainerError("a tar header is damaged, or not of the form this format asks for");
    }
    if (!name || !V.bytes.equal(header(name, size), block)) {
      throw new V.ContainerError(`the tar header of ${JSON.stringify(name)} is not of the form this format asks for`);
    }
    return { name, size };
  }

  const blockHeader = (size, last) => V.bytes.pack([size * 8 + (last ? 1 : 0), BLOCK_HEADER]);
  const frameSize = (plain) => HEADER + Math.ceil(plain / RAW_BLOCK) * BLOCK_HEADER + plain;

  /** Return the skippable frame that ends a container of so many plain bytes. */
  function seekTable(total) {
    const count = Math.ceil(total / CHUNK);
    const entries = new DataView(new ArrayBuffer(count * 8));
    for (let number = 0; number < count; number++) {
      const plain = Math.min(CHUNK, total - number * CHUNK);
      entries.setUint32(number * 8, frameSize(plain), true);
      entries.setUint32(number * 8 + 4, plain, true);
    }
    const body = new Uint8Array(entries.buffer);
    return V.bytes.pack([0x184d2a5e, 4], [body.length + 9, 4], body, [count, 4], [0, 1], [0x8f92eab1, 4]);
  }

  class TarZst {
    constructor(incoming) {
      Object.assign(this, { incoming, chunk: [], total: 0, last: false });
    }

    async *members() {
      let block;
      while ((block = await this.take(BLOCK)).some(Boolean)) {
        const { name, size } = parse(block);
        const next = this.content(size);
        yield { name, size, next };
        while (await next());
        const padding = await this.take((BLOCK - (size % BLOCK)) % BLOCK);
        if (padding.some(Boolean)) throw new V.ContainerError(`the padding after ${name} is not zero`);
      }
      if ((await this.take(BLOCK)).some(Boolean)) {
        throw new V.ContainerError("the tar archive does not end with two zero blocks");
      }
      await this.end();
    }

    /** Return a function that gives the next piece of so many tar bytes, and null after the last. */
    content(size) {
      let rest = size;
      return async () => {
        if (!rest) return null;
        if (!this.chunk.length) this.chunk = await this.nextFrame();
        const [first] = this.chunk;
        const piece = first.subarray(0, rest);
        if (piece.length < first.length) this.chunk[0] = first.subarray(rest);
        else this.chunk.shift();
        rest -= piece.length;
        return piece;
      };
    }

    async take(size) {
      const next = this.content(size);
      const pieces = [];
      for (let piece = await next(); piece; piece = await next()) pieces.push(piece);
      return pieces.length === 1 ? pieces[0] : V.bytes.concat(pieces);
    }

    /** Return the raw blocks of the next frame of the container. */
    async nextFrame() {
      const head = await this.incoming.take(HEADER);
      if (!V.bytes.equal(head.subarray(0, 4), MAGIC) || head[4] !== DESCRIPTOR) {
        throw new V.ContainerError("a frame header of the container is not of the form this format asks for");
      }
      const plain = V.bytes.number(head, 5, 4);
      if (this.last || plain < 1 || plain > CHUNK) {
        throw new V.ContainerError("a frame of the container has another size than this format asks for");
      }
      this.last = plain < CHUNK;
      this.total += plain;
      return this.blocks(plain);
    }

    async blocks(plain) {
      const blocks = [];
      for (let rest = plain; rest; ) {
        const size = Math.min(rest, RAW_BLOCK);
        rest -= size;
        const wrong = "a block of the container is not of the form this format asks for";
        await this.incoming.expect(blockHeader(size, !rest), wrong);
        blocks.push(await this.incoming.take(size));
      }
      return blocks;
    }

    async end() {
      if (this.chunk.length) throw new V.ContainerError("bytes follow the end of the tar archive");
      await this.incoming.expect(seekTable(this.total), "the seek table is not the one that belongs to this archive");
      await this.incoming.end();
    }
  }

  V.tar = { members: (incoming) => new TarZst(incoming).members(), blockHeader, BLOCK, CHUNK, RAW_BLOCK, MAGIC, DESCRIPTOR };
})();
