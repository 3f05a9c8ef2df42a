// A .zip as a stream of members: headers and directory are compared with those a writer would have written.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const FIXED = 30;
  const FULL32 = 0xffffffff;
  const FULL16 = 0xffff;
  const UNIX = 0x300;
  const PLAIN = 10;
  const ZIP64 = 45;
  const DATE = 33;
  const MODE = 0o100644 * 65536;
  const PIECE = 1 << 20;
  const mark = (kind) => Uint8Array.of(0x50, 0x4b, ...kind);
  const LOCAL = mark([3, 4]);

  const extra = (values) =>
    values.length ? V.bytes.pack([1, 2], [8 * values.length, 2], ...values.map((value) => [value, 8])) : new Uint8Array(0);

  /** Return the bytes before a member's content. */
  function localHeader(name, size, crc) {
    const large = extra(size >= FULL32 ? [size, size] : []);
    const stated = Math.min(size, FULL32);
    const fields = [[large.length ? ZIP64 : PLAIN, 2], [0, 2], [0, 2], [0, 2], [DATE, 2], [crc, 4], [stated, 4], [stated, 4]];
    const encoded = V.bytes.utf8(name);
    return V.bytes.pack(LOCAL, ...fields, [encoded.length, 2], [large.length, 2], encoded, large);
  }

  /** Return {name, size, crc} of a local header; throws ContainerError unless a writer would write it so. */
  function parse(header) {
    const length = V.bytes.number(header, 26, 2);
    const name = V.bytes.latin(header.subarray(FIXED, FIXED + length));
    const crc = V.bytes.number(header, 14, 4);
    const large = V.bytes.number(header, 28, 2) > 0 && header.length >= FIXED + 16;
    const size = large ? V.bytes.number(header, header.length - 16, 8) : V.bytes.number(header, 18, 4);
    if (/[^\0-\x7f]/.test(name) || !V.bytes.equal(localHeader(name, size, crc), header)) {
      throw new V.ContainerError(`the zip header of ${JSON.stringify(name)} is not of the form this format asks for`);
    }
    return { name, size, crc };
  }

  function central({ name, size, crc, offset }) {
    const large = extra([...(size >= FULL32 ? [size, size] : []), ...(offset >= FULL32 ? [offset] : [])]);
    const version = large.length ? ZIP64 : PLAIN;
    const stated = Math.min(size, FULL32);
    const encoded = V.bytes.utf8(name);
    const times = [[UNIX | version, 2], [version, 2], [0, 2], [0, 2], [0, 2], [DATE, 2], [crc, 4], [stated, 4], [stated, 4]];
    const rest = [[encoded.length, 2], [large.length, 2], [0, 2], [0, 2], [0, 2], [MODE, 4], [Math.min(offset, FULL32), 4]];
    return V.bytes.pack(mark([1, 2]), ...times, ...rest, encoded, large);
  }

  function zip64End(count, size, offset) {
    const made = [[44, 8], [UNIX | ZIP64, 2], [ZIP64, 2], [0, 4], [0, 4], [count, 8], [count, 8], [size, 8], [offset, 8]];
    return V.bytes.pack(mark([6, 6]), ...made, mark([6, 7]), [0, 4], [offset + size, 8], [1, 4]);
  }

  /** Return everything after the members; the directory begins at `offset`. */
  function directory(entries, offset) {
    const listed = V.bytes.concat(entries.map(central));
    const [count, size] = [entries.length, listed.length];
    const large = count >= FULL16 || size >= FULL32 || offset >= FULL32;
    const tail = large ? zip64End(count, size, offset) : new Uint8Array(0);
    const short = Math.min(count, FULL16);
    const end = [[0, 2], [0, 2], [short, 2], [short, 2], [Math.min(size, FULL32), 4], [Math.min(offset, FULL32), 4], [0, 2]];
    return V.bytes.pack(listed, tail, mark([5, 6]), ...end);
  }

  /** Return a function that gives the next piece of a member, and null after the last; it counts the CRC-32. */
  function content(incoming, size, found) {
    let rest = size;
    return async () => {
      if (!rest) return null;
      const piece = await incoming.take(Math.min(rest, PIECE));
      rest -= piece.length;
      found.crc = V.hashing.crc32(piece, found.crc);
      return piece;
    };
  }

  const isZip = async (incoming) => V.bytes.equal(await incoming.look(LOCAL.length), LOCAL);

  async function* members(incoming) {
    const entries = [];
    while (await isZip(incoming)) {
      const offset = incoming.offset;
      const fixed = await incoming.take(FIXED);
      const more = V.bytes.number(fixed, 26, 2) + V.bytes.number(fixed, 28, 2);
      const { name, size, crc } = parse(V.bytes.concat([fixed, await incoming.take(more)]));
      const found = { crc: 0 };
      const next = content(incoming, size, found);
      yield { name, size, next };
      while (await next());
      if (found.crc !== crc) throw new V.ContainerError(`the CRC-32 of ${name} is not the one in its header`);
      entries.push({ name, size, crc, offset });
    }
    const expected = directory(entries, incoming.offset);
    await incoming.expect(expected, "the zip directory is not the one that belongs to these members");
    await incoming.end();
  }

  V.zip = { members, isZip, parse, localHeader, FIXED, LOCAL };
})();
