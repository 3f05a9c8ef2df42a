// Finding records by id, and reading them: root, page, frame table, one frame; every digest is checked on the way back
// to export.json, so what comes out is as genuine as export.json is (docs/format.md, "Record index").
//
//   await EC.lookup.byId(bundle, id, {member, signal, limit})  -> [Hit]; `.more` is true when there are more than limit
//   await EC.lookup.at(bundle, path, frame, offset, {signal})  -> Hit: the record at a place, from a frame that is checked
//   await EC.lookup.read(bundle, path, row, {signal})          -> Hit: the record a row of the index points to
//   EC.lookup.hit(path, frame, offset, line)                   -> Hit, from a line that was checked
//   await EC.lookup.index(bundle, path, {signal})              -> Index of a framed member
//   await EC.lookup.paged(bundle, stem, {row, page, suffix}, {signal}) -> Index of any member with a root beside it
//
// Hit:    {member, frame, offset, id, text, record}: where it lies; its line as it is, and parsed
// Index:  {pages, find(prefix, {signal}) -> async iterator of rows, page(number, {signal}, count) -> checked pages}
// Row of a record index (112 bytes, a Uint8Array): EC.lookup.row(bytes) -> {idHash, keyHash, sha256, lineSha256, frame, offset}
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const RECORDS = { row: 112, page: 585 * 112, suffix: ".pages" };
  const ROOT_ROW = 40;
  const MAX_ROOT = 64 << 20;
  /** The most rows of one id that are looked at: more is no identifier. */
  const MOST_ROWS = 50_000;
  const EVALUATIONS = "data/policy/evaluations.jsonl.zst";
  const indexes = new WeakMap();

  const broken = (message, code = "format") => new EC.BundleError(message, { advice: EC.ALTERED, code });

  /** Compare the first bytes of two byte strings. */
  function order(left, right, length) {
    for (let place = 0; place < length; place++) if (left[place] !== right[place]) return left[place] - right[place];
    return 0;
  }

  class Index {
    constructor(member, root, shape) {
      Object.assign(this, { member, root, shape, pages: root.length / ROOT_ROW });
    }

    first(number) {
      return this.root.subarray(number * ROOT_ROW, number * ROOT_ROW + 8);
    }

    /** Return a page, or several that follow one another, each compared with the root. */
    async page(number, options, count = 1) {
      const { page: size } = this.shape;
      const start = number * size;
      const data = await this.member.read(start, Math.min(start + count * size, this.member.bytes), options);
      for (let place = 0; place < data.length; place += size) {
        await this.checkPage(number + place / size, data.subarray(place, place + size));
      }
      return data;
    }

    async checkPage(number, page) {
      const listed = this.root.subarray(number * ROOT_ROW + 8, (number + 1) * ROOT_ROW);
      if (!EC.hash.equal(await EC.hash.sha256(page), listed)) {
        throw broken(`${this.member.path}: page ${number} is not the one that its root names`, "digest");
      }
    }

    /** The page before the first one that begins with the prefix or later: rows with it may begin at its end. */
    before(prefix) {
      let [low, high] = [0, this.pages];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (order(this.first(middle), prefix, prefix.length) < 0) low = middle + 1;
        else high = middle;
      }
      return Math.max(low - 1, 0);
    }

    async *find(prefix, options) {
      for (let number = this.before(prefix); number < this.pages; number++) {
        if (order(this.first(number), prefix, prefix.length) > 0) return;
        const page = await this.page(number, options);
        for (let start = 0; start < page.length; start += this.shape.row) {
          const row = page.subarray(start, start + this.shape.row);
          if (!order(row, prefix, prefix.length)) yield row;
        }
      }
    }
  }

  async function paged(bundle, stem, shape) {
    const member = bundle.member(stem + shape.suffix);
    const root = await bundle.member(`${stem}.root`).checked({ most: MAX_ROOT });
    const pages = Math.ceil(member.bytes / shape.page);
    if (member.bytes % shape.row || root.length !== pages * ROOT_ROW) {
      throw broken(`${stem}.root does not list the pages of its index`);
    }
    return new Index(member, root, shape);
  }

  /** Keep indexes of a bundle: their roots are read once for all who ask, and not taken away by one who gives up. */
  async function kept(bundle, stem, shape, { signal } = {}) {
    if (!indexes.has(bundle)) indexes.set(bundle, new Map());
    const known = indexes.get(bundle);
    if (!known.has(stem)) {
      const reading = paged(bundle, stem, shape);
      reading.catch(() => known.delete(stem));
      known.set(stem, reading);
    }
    const found = await known.get(stem);
    signal?.throwIfAborted();
    return found;
  }

  async function index(bundle, path, options) {
    const stem = EC.manifest.stem(path);
    if (!stem) throw broken(`${path} has no index`);
    return kept(bundle, stem, RECORDS, options);
  }

  function row(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, RECORDS.row);
    return {
      idHash: bytes.subarray(0, 8),
      keyHash: bytes.subarray(8, 40),
      sha256: bytes.subarray(40, 72),
      lineSha256: bytes.subarray(72, 104),
      frame: view.getUint32(104, true),
      offset: view.getUint32(108, true),
    };
  }

  function hit(path, frame, offset, line) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line.subarray(0, line.length - 1));
      const record = JSON.parse(text);
      const id = path === EVALUATIONS ? record.finding : record.id;
      if (typeof id !== "string") throw new TypeError("it has no id");
      return { member: path, frame, offset, id, text, record };
    } catch (error) {
      throw broken(`${path}: the line at ${offset} of frame ${frame} is no record: ${error.message}`);
    }
  }

  async function read(bundle, path, place, options) {
    const line = await EC.frames.lineAt(bundle, path, place.frame, place.offset, options);
    if (!EC.hash.equal(await EC.hash.sha256(line), place.lineSha256)) {
      throw broken(`${path}: a record is not the one that the index stands for`, "digest");
    }
    return hit(path, place.frame, place.offset, line);
  }

  async function at(bundle, path, frame, offset, options) {
    const plain = await EC.frames.plain(bundle, path, frame, options);
    const end = plain.indexOf(10, offset);
    const begins = offset === 0 || plain[offset - 1] === 10;
    if (!begins || end < 0) throw broken(`${path}: frame ${frame} has no line at ${offset}`, "missing");
    return hit(path, frame, offset, plain.slice(offset, end + 1));
  }

  async function rowsOf(bundle, path, idHash, options) {
    const found = [];
    for await (const bytes of (await index(bundle, path, options)).find(idHash, options)) {
      if (found.length >= MOST_ROWS) {
        const advice = "Use `export-center bundle cat`, which lists them one by one.";
        throw new EC.BundleError(`more than ${MOST_ROWS} records of ${path} have this id`, { advice, code: "limit" });
      }
      found.push(row(bytes.slice()));
    }
    return found.sort((left, right) => left.frame - right.frame || left.offset - right.offset);
  }

  async function byId(bundle, id, { member, signal, limit = 200 } = {}) {
    const found = Object.assign([], { more: false });
    const idHash = await EC.hash.idHash(id);
    const paths = member ? [member] : bundle.framed.map((listed) => listed.path);
    for (const path of paths) {
      for (const place of await rowsOf(bundle, path, idHash, { signal })) {
        if (found.length >= limit) return Object.assign(found, { more: true });
        const hit = await read(bundle, path, place, { signal });
        // Ids are hashed to 64 bits: another id may share the hash.
        if (hit.id === id) found.push(hit);
      }
    }
    return found;
  }

  EC.lookup = { byId, at, read, hit, index, paged: kept, row, order, ROW: RECORDS.row };
})();
