// Where the bytes of members lie in an archive: docs/format.md, "Layouts". Offsets are arithmetic, and every header that
// is met must be the one a writer of this format would have written.
//
// A form:  {layout, end, headerSize(name, size), span(name, size), header(name, size), headerAt(offset), read(start, end)}
//   end        where the last member can end, in plain bytes
//   headerAt   -> Promise<{name, size}> of the header at an offset, or BundleError
//   read       -> Promise<Uint8Array> of plain bytes: of the tar, without what the container has between them
//
//   await EC.forms.of(source, {signal}) -> form: tells by the beginning and the end what a file is
//   EC.forms.tarHeader(name, size), EC.forms.zipHeader(name, size, crc) -> Uint8Array
//   EC.forms.between(plain, total) -> Uint8Array: the container's headers before the plain byte at that place
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const CHUNK = 256 * 1024;
  const RAW_BLOCK = 128 * 1024;
  const FRAME_HEADER = 9;
  const BLOCK_HEADER = 3;
  const FULL_FRAME = FRAME_HEADER + 2 * BLOCK_HEADER + CHUNK;
  const TABLE_ENTRY = 8;
  const TABLE_FOOTER = 9;
  const TAR_BLOCK = 512;
  const MAX_OCTAL = 8 ** 11 - 1;
  const ZIP_FIXED = 30;
  const ZIP_LONGEST = ZIP_FIXED + 100 + 20;
  const FULL32 = 0xffffffff;
  /** Of an archive's end, what is read at once: the footer, and mostly the last members too. */
  const TAIL = 64 * 1024;

  const CUT_OFF = "It is probably cut off; fetch it again.";
  const NO_BUNDLE = "Choose a bundle's .tar.zst or .zip file, or its extracted folder.";
  const broken = (message, advice = EC.ALTERED) => new EC.BundleError(message, { advice });
  const ascii = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const textOf = (bytes) => String.fromCharCode(...bytes);

  /** Write fields of [place, size, value], little-endian. */
  function put(bytes, ...fields) {
    for (const [place, size, value] of fields) {
      for (let at = 0, rest = value; at < size; at++, rest = Math.floor(rest / 256)) bytes[place + at] = rest % 256;
    }
    return bytes;
  }

  /** Read a little-endian number. */
  function take(bytes, place, size) {
    let value = 0;
    for (let at = place + size - 1; at >= place; at--) value = value * 256 + bytes[at];
    return value;
  }

  function tarSize(size) {
    if (size <= MAX_OCTAL) return ascii(`${size.toString(8).padStart(11, "0")}\0`);
    return put(new Uint8Array(12), [0, 8, size]).reverse().fill(0x80, 0, 1);
  }

  function tarHeader(name, size) {
    const block = new Uint8Array(TAR_BLOCK);
    block.set(ascii(name));
    block.set(ascii("0000644\x000000000\x000000000\0"), 100);
    block.set(tarSize(size), 124);
    block.set(ascii("00000000000\0        0"), 136);
    block.set(ascii("ustar\x0000"), 257);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.set(ascii(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
    return block;
  }

  function parseTar(block) {
    const end = block.subarray(0, 100).indexOf(0);
    const name = textOf(block.subarray(0, end < 0 ? 100 : end));
    const octal = textOf(block.subarray(124, 135));
    const large = take(block.slice(124, 136).fill(0, 0, 1).reverse(), 0, 12);
    const size = block[124] === 0x80 ? large : /^[0-7]{11}$/.test(octal) ? parseInt(octal, 8) : -1;
    if (!name || !Number.isSafeInteger(size) || size < 0 || !EC.hash.equal(tarHeader(name, size), block)) {
      throw broken("a tar header is damaged, or not of the form this format asks for");
    }
    return { name, size };
  }

  function zipHeader(name, size, crc) {
    const large = size >= FULL32;
    const header = new Uint8Array(ZIP_FIXED + name.length + (large ? 20 : 0));
    const stated = large ? FULL32 : size;
    put(header, [0, 4, 0x04034b50], [4, 2, large ? 45 : 10], [12, 2, 33], [14, 4, crc], [18, 4, stated], [22, 4, stated]);
    put(header, [26, 2, name.length], [28, 2, large ? 20 : 0]);
    header.set(ascii(name), ZIP_FIXED);
    if (large) put(header, [header.length - 20, 2, 1], [header.length - 18, 2, 16]);
    return large ? put(header, [header.length - 16, 8, size], [header.length - 8, 8, size]) : header;
  }

  function parseZip(bytes) {
    const length = bytes.length < ZIP_FIXED ? 0 : take(bytes, 26, 2);
    const extra = bytes.length < ZIP_FIXED ? 0 : take(bytes, 28, 2);
    const header = bytes.subarray(0, ZIP_FIXED + length + extra);
    const name = length <= 100 ? textOf(header.subarray(ZIP_FIXED, ZIP_FIXED + length)) : "";
    const size = extra === 20 ? take(header, header.length - 16, 8) : take(bytes, 22, 4);
    if (!name || !Number.isSafeInteger(size) || !EC.hash.equal(zipHeader(name, size, take(bytes, 14, 4)), header)) {
      throw broken("a zip header is damaged, or not of the form this format asks for");
    }
    return { name, size };
  }

  const frameSize = (plain) => FRAME_HEADER + Math.ceil(plain / RAW_BLOCK) * BLOCK_HEADER + plain;

  function containerSize(total) {
    const rest = total % CHUNK;
    const whole = (total - rest) / CHUNK;
    return whole * FULL_FRAME + (rest ? frameSize(rest) : 0) + 8 + (whole + (rest ? 1 : 0)) * TABLE_ENTRY + TABLE_FOOTER;
  }

  /** Return the plain bytes in a container of so many bytes and frames. */
  function plainSize(container, count) {
    const last = container - 8 - count * TABLE_ENTRY - TABLE_FOOTER - (count - 1) * FULL_FRAME;
    for (const blocks of [1, 2]) {
      const total = (count - 1) * CHUNK + last - FRAME_HEADER - blocks * BLOCK_HEADER;
      if (count > 0 && total > 0 && containerSize(total) === container && Math.ceil(total / CHUNK) === count) return total;
    }
    throw broken("the size of the file does not fit its seek table", CUT_OFF);
  }

  /** Where a plain byte lies in the container, the headers before it included. */
  function placeOf(plain) {
    const inside = plain % CHUNK;
    return ((plain - inside) / CHUNK) * FULL_FRAME + FRAME_HEADER + (Math.floor(inside / RAW_BLOCK) + 1) * BLOCK_HEADER + inside;
  }

  /** The headers that stand right before a plain byte: of a frame and a block, of a block, or none. */
  function between(plain, total) {
    if (plain % RAW_BLOCK) return new Uint8Array(0);
    const frameStart = plain - (plain % CHUNK);
    const frameEnd = Math.min(total, frameStart + CHUNK);
    const size = Math.min(RAW_BLOCK, frameEnd - plain);
    const block = put(new Uint8Array(3), [0, 3, size * 8 + (plain + size === frameEnd ? 1 : 0)]);
    if (plain !== frameStart) return block;
    const both = put(new Uint8Array(12), [0, 4, 0xfd2fb528], [4, 1, 0xa0], [5, 4, frameEnd - frameStart]);
    both.set(block, FRAME_HEADER);
    return both;
  }

  /** Take the plain bytes out of a piece of the container, in place. */
  function stripped(data, start, end, total) {
    let from = 0;
    let to = 0;
    for (let plain = start; plain < end; ) {
      const header = between(plain, total);
      if (!EC.hash.equal(header, data.subarray(from, from + header.length))) {
        throw broken("a header of the container is not of the form this format asks for");
      }
      from += header.length;
      const size = Math.min(end - plain, RAW_BLOCK - (plain % RAW_BLOCK));
      data.copyWithin(to, from, from + size);
      [from, to, plain] = [from + size, to + size, plain + size];
    }
    return data.subarray(0, end - start);
  }

  async function tarForm(source, read, footer) {
    const total = plainSize(source.size, take(footer, 0, 4));
    async function readPlain(start, end, options) {
      if (start === end) return new Uint8Array(0);
      if (end > total) throw broken("the archive ends early", CUT_OFF);
      const data = await read(placeOf(start) - between(start, total).length, placeOf(end - 1) + 1, options);
      return stripped(data, start, end, total);
    }
    const span = (name, size) => TAR_BLOCK + size + ((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
    const headerAt = async (offset, options) => parseTar(await readPlain(offset, offset + TAR_BLOCK, options));
    return { layout: "tar.zst", end: total, headerSize: () => TAR_BLOCK, span, header: tarHeader, headerAt, read: readPlain };
  }

  function zipForm(source, read) {
    const headerSize = (name, size) => zipHeader(name, size, 0).length;
    const headerAt = async (offset, options) =>
      parseZip(await read(offset, Math.min(offset + ZIP_LONGEST, source.size), options));
    const span = (name, size) => headerSize(name, size) + size;
    return { layout: "zip", end: source.size, headerSize, span, header: zipHeader, headerAt, read };
  }

  /** Reads of a source, with its end at hand. */
  async function withTail(source, options) {
    const from = Math.max(0, source.size - TAIL);
    const tail = await source.read(from, source.size, options);
    const read = async (start, end, given) =>
      start >= from && end <= source.size ? tail.slice(start - from, end - from) : source.read(start, end, given);
    return { read, tail };
  }

  async function of(source, options) {
    const head = await source.read(0, Math.min(4, source.size), options);
    const { read, tail } = await withTail(source, options);
    if (textOf(head) === "PK\x03\x04") return zipForm(source, read);
    const footer = tail.slice(-TABLE_FOOTER);
    if (take(head, 0, 4) !== 0xfd2fb528 || head.length < 4) throw broken(`${source.name} is no bundle`, NO_BUNDLE);
    if (footer.length < TABLE_FOOTER || footer[4] !== 0 || take(footer, 5, 4) !== 0x8f92eab1) {
      throw broken(`${source.name} does not end as a bundle does`, CUT_OFF);
    }
    return tarForm(source, read, footer);
  }

  EC.forms = { of, tarHeader, zipHeader, between };
})();
