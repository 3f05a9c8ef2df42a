// Frames: the independent zstd frames that records lie in (docs/format.md, "Frames"), checked against export.json.
//
//   await EC.frames.table(bundle, path, {signal})               -> Table {length, row(number) -> Row}, checked, kept
//   await EC.frames.plain(bundle, path, number, {signal})       -> Uint8Array: a whole frame, its digest checked
//   await EC.frames.lineAt(bundle, path, number, offset, {signal}) -> Uint8Array: one line with its newline; a frame is
//                                                                  read no further; its digest is for the caller to check
//   EC.frames.lines(plain)                                      -> iterator of [offset, Uint8Array with its newline]
//   EC.frames.MAX                                               the most plain bytes of a frame that a page holds
//
// Row: {number, offset, bytes, plainBytes, first, sha256}: place and size in the member, plain size, records before it.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const ROW = 64;
  const MAX = 128 << 20;
  const MAX_TABLE = 64 << 20;
  const SLACK = 1024;
  /** Compressed bytes that are fetched at once. */
  const FETCH = 512 << 10;
  const NEWLINE = 10;
  const tables = new WeakMap();

  const broken = (message, code = "format") => new EC.BundleError(message, { advice: EC.ALTERED, code });
  const tooLarge = (message) =>
    new EC.BundleError(message, { advice: "Read it with `export-center bundle cat`.", code: "limit" });

  class Table {
    constructor(data) {
      this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      this.length = data.length / ROW;
    }

    row(number) {
      if (!(number < this.length)) throw broken(`the index points to frame ${number}, which does not exist`);
      const start = number * ROW;
      const [offset, bytes, plainBytes, first] = [0, 8, 16, 24].map((at) => Number(this.view.getBigUint64(start + at, true)));
      const sha256 = new Uint8Array(this.view.buffer, this.view.byteOffset + start + 32, 32);
      return { number, offset, bytes, plainBytes, first, sha256 };
    }
  }

  /** What framesSha256 of export.json is the digest of: plain size, big-endian, and digest, frame by frame. */
  function frameDigests(table) {
    const data = new Uint8Array(table.length * 40);
    const view = new DataView(data.buffer);
    for (let number = 0; number < table.length; number++) {
      const row = table.row(number);
      view.setBigUint64(number * 40, BigInt(row.plainBytes));
      data.set(row.sha256, number * 40 + 8);
    }
    return data;
  }

  function checkRows(table, listed) {
    let [end, plain] = [0, 0];
    for (let number = 0; number < table.length; number++) {
      const row = table.row(number);
      const most = row.plainBytes + Math.floor(row.plainBytes / 128) + SLACK;
      if (row.offset !== end || row.plainBytes < 1 || row.bytes < 1 || row.bytes > most) {
        throw broken(`the frame table of ${listed.path} states an impossible frame ${number}`);
      }
      [end, plain] = [end + row.bytes, plain + row.plainBytes];
    }
    if (end !== listed.bytes || plain !== listed.plainBytes) {
      throw broken(`the frame table of ${listed.path} does not list the frames of its member`);
    }
  }

  function framedMember(bundle, path) {
    const listed = bundle.member(path).listed;
    if (bundle.manifest.encryption) {
      const advice = "Decrypt it with `age -d` or `export-center bundle` and the key it was made for.";
      throw new EC.BundleError(`${path} is encrypted`, { advice, code: "encrypted" });
    }
    if (!listed?.framesSha256) {
      const advice = "Records lie in the members that export.json lists with framesSha256.";
      throw new EC.BundleError(`${path} holds no frames`, { advice, code: "missing" });
    }
    return listed;
  }

  async function readTable(bundle, path) {
    const listed = framedMember(bundle, path);
    const name = `${EC.manifest.stem(path)}.frames`;
    const data = await bundle.member(name).checked({ most: MAX_TABLE });
    if (data.length % ROW) throw broken(`${name} of ${data.length} bytes is no multiple of ${ROW}`);
    const table = new Table(data);
    if ((await EC.hash.sha256Hex(frameDigests(table))) !== listed.framesSha256) {
      throw broken(`${name} does not list the frames that export.json stands for`, "digest");
    }
    checkRows(table, listed);
    return table;
  }

  /** Tables are read once for all who ask, so whoever gives up does not take it from the others. */
  async function table(bundle, path, { signal } = {}) {
    if (!tables.has(bundle)) tables.set(bundle, new Map());
    const known = tables.get(bundle);
    if (!known.has(path)) {
      const reading = readTable(bundle, path);
      reading.catch(() => known.delete(path));
      known.set(path, reading);
    }
    const found = await known.get(path);
    signal?.throwIfAborted();
    return found;
  }

  /** What a frame holds, piece by piece in one buffer that is allocated when its header was looked at. */
  class Decoding {
    constructor(row, header, fail) {
      Object.assign(this, { fail, size: 0, plain: new Uint8Array(row.plainBytes) });
      this.decoder = new fzstd.Decompress((piece) => this.take(piece));
      this.push(header, false);
    }

    take(piece) {
      if (this.size + piece.length > this.plain.length) throw new RangeError("it holds more than it states");
      this.plain.set(piece, this.size);
      this.size += piece.length;
    }

    push(part, last) {
      try {
        this.decoder.push(part, last);
      } catch (error) {
        throw this.fail(`it cannot be decompressed: ${error.message}`);
      }
    }
  }

  /** Return what gives the compressed bytes of a frame in pieces, and null behind them. */
  function piecesOf(bundle, path, row, options) {
    const member = bundle.member(path);
    let start = row.offset;
    return async () => {
      const end = Math.min(row.offset + row.bytes, start + FETCH);
      if (start === end) return null;
      const piece = await member.read(start, end, options);
      start = end;
      return piece;
    };
  }

  /** Read a frame from its beginning until `enough` is content; return what it holds so far. */
  async function decode(bundle, path, row, enough, { signal } = {}) {
    if (row.plainBytes > MAX) throw tooLarge(`${path}: frame ${row.number} holds ${row.plainBytes} bytes; a page reads at most ${MAX}`);
    const fail = (message) => broken(`${path}: frame ${row.number}: ${message}`);
    const walk = new EC.zstd.Walk(piecesOf(bundle, path, row, { signal }), fail);
    const { size, header } = await walk.frame();
    if (size !== row.plainBytes) throw fail(`it states ${size} plain bytes, and its table ${row.plainBytes}`);
    const decoding = new Decoding(row, header, fail);
    for await (const { block, last } of walk.blocks(size)) {
      const before = decoding.size;
      decoding.push(block, last);
      if (enough(decoding.plain, before, decoding.size)) return decoding.plain.subarray(0, decoding.size);
      await EC.turn.due(signal);
    }
    if (await walk.more()) throw fail("there are more bytes in its place than a frame");
    return decoding.plain.subarray(0, decoding.size);
  }

  async function plain(bundle, path, number, options) {
    const row = (await table(bundle, path, options)).row(number);
    const found = await decode(bundle, path, row, () => false, options);
    if (!EC.hash.equal(await EC.hash.sha256(found), row.sha256)) {
      throw broken(`${path}: frame ${number} is not the one that export.json stands for`, "digest");
    }
    return found;
  }

  async function lineAt(bundle, path, number, offset, options) {
    const row = (await table(bundle, path, options)).row(number);
    let end = -1;
    const enough = (data, before, size) => {
      const from = Math.max(before, offset);
      end = from < size ? data.subarray(0, size).indexOf(NEWLINE, from) : -1;
      return end >= 0;
    };
    const found = await decode(bundle, path, row, enough, options);
    if (end < 0) throw broken(`${path}: frame ${number} has no line at ${offset}`);
    return found.slice(offset, end + 1);
  }

  function* lines(data) {
    for (let start = 0; start < data.length; ) {
      const end = data.indexOf(NEWLINE, start);
      if (end < 0) throw broken("a frame ends in the middle of a line");
      yield [start, data.subarray(start, end + 1)];
      start = end + 1;
    }
  }

  EC.frames = { table, plain, lineAt, lines, MAX };
})();
