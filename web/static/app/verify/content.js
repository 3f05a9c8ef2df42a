// Steps 7 and 8: what framed members, their frame tables and their record indexes hold (bundle/content.py).
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const MADE_SO = "The bundle was signed like this, so it was not altered on its way; tell its sender.";
  const FRAMED = ".jsonl.zst";
  const MAX_FRAME = 1 << 30;
  const ROW = 112;
  const PAGE = 585 * ROW;
  const TERM_ROW = 8;
  const TERM_PAGE = 8192 * TERM_ROW;
  const EVALUATIONS = "data/policy/evaluations.jsonl.zst";

  const failed = (step, member, message) => new V.VerificationError(step, member, message, MADE_SO);
  const nameOf = (path) => {
    const name = path.slice(path.indexOf("/") + 1 || path.length);
    return name.endsWith(FRAMED) ? name.slice(0, -FRAMED.length) : name;
  };
  const stemOf = (path) => `indexes/${nameOf(path)}`;
  const searchStemOf = (path) => `indexes/search/${nameOf(path)}`;

  /** The members of the indexes that a framed member has, and the steps that look at them. */
  function partsOf(path) {
    const [stem, search] = [stemOf(path), searchStemOf(path)];
    const parts = [[`${stem}.frames`, 7], [`${stem}.pages`, 8], [`${stem}.root`, 8]];
    return path === EVALUATIONS ? parts : [...parts, [`${search}.root`, 8], [`${search}.terms`, 8]];
  }

  /** Whether rows stand in order, the last one of the page before included; `least` 1 when each comes once, else 0. */
  function sorted(page, last, size, least) {
    for (let place = 0; place < page.length; place += size) {
      const row = page.subarray(place, place + size);
      if (last && V.bytes.compare(row, last) < least) return false;
      last = row;
    }
    return true;
  }

  /** Return the highest number of a frame that rows of a search index name. */
  function highestFrame(page) {
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    let highest = 0;
    for (let place = 4; place < page.length; place += TERM_ROW) highest = Math.max(highest, view.getUint32(place));
    return highest;
  }

  /** Yield pages of an index, the last one shorter. */
  async function* pagesOf(next, most) {
    let held = [];
    let size = 0;
    for (let piece = await next(); piece; piece = await next()) {
      held.push(piece);
      size += piece.length;
      if (size < most) continue;
      const bytes = V.bytes.concat(held);
      const whole = size - (size % most);
      for (let start = 0; start < whole; start += most) yield bytes.subarray(start, start + most);
      held = [bytes.subarray(whole)];
      size -= whole;
    }
    if (size) yield V.bytes.concat(held);
  }

  /** Looks into members as they pass, and keeps some digests and counts of each framed one. */
  class ContentChecks {
    constructor(signal) {
      Object.assign(this, { signal, frames: 0, rows: 0, members: 0 });
      for (const name of ["tables", "roots", "counts", "searchRoots", "frameCounts"]) this[name] = new Map();
    }

    /** Make sure that every framed member has an index of its own; throws VerificationError. */
    expect(members) {
      const digests = new Map(members.map(({ path, sha256 }) => [path, sha256]));
      const taken = new Set();
      for (const { path } of members.filter(({ framesSha256 }) => framesSha256 !== undefined)) {
        const parts = partsOf(path);
        if (parts.some(([part]) => taken.has(part)) || !path.endsWith(FRAMED)) {
          throw failed(7, path, "no index of its own can belong to a member of this name");
        }
        for (const [part, step] of parts) {
          if (!digests.has(part)) throw failed(step, path, `export.json lists no ${part}`);
          taken.add(part);
        }
        const stem = searchStemOf(path);
        if (path !== EVALUATIONS) this.searchRoots.set(stem, digests.get(`${stem}.root`));
      }
    }

    /** Take the bytes of the next member, not always to their end; throws VerificationError. */
    async check(listed, next) {
      if (listed.framesSha256 !== undefined) await this.checkFrames(listed, next);
      if (!listed.path.startsWith("indexes/")) return;
      const dot = listed.path.lastIndexOf(".");
      const stem = listed.path.slice(0, dot);
      const suffix = listed.path.slice(dot);
      if (suffix === ".frames") this.same(7, listed, this.tables.get(stem), "the table does not list the frames of its member");
      if (suffix === ".pages") await this.checkPages(listed, stem, next);
      // That of a search index stands before its pages, and is looked at with them.
      if (suffix === ".root" && !this.searchRoots.has(stem)) {
        this.same(8, listed, this.roots.get(stem), "the index root does not list the pages of its index");
      }
      if (suffix === ".terms") await this.checkTerms(listed, stem, next);
    }

    // Step 6 makes sure that the member's digest is the listed one.
    same(step, listed, digest, message) {
      if (listed.sha256 !== digest) throw failed(step, listed.path, message);
    }

    async checkFrames(listed, next) {
      const [table, digest] = [V.sha256Stream(), V.sha256Stream()];
      let [offset, plain, records, frames] = [0, 0, 0, 0];
      for await (const frame of this.framesOf(listed, next)) {
        table.update(V.bytes.pack([offset, 8], [frame.compressed, 8], [frame.size, 8], [records, 8], frame.sha256));
        digest.update(V.bytes.concat([V.bytes.pack([frame.size, 8]).reverse(), frame.sha256]));
        offset += frame.compressed;
        plain += frame.size;
        records += frame.lines;
        frames++;
      }
      const found = [V.bytes.hex(digest.digest()), plain, records].join();
      if (found !== [listed.framesSha256, listed.plainBytes, listed.records].join()) {
        throw failed(7, listed.path, "its frames, plain size or records are not those in export.json");
      }
      this.tables.set(stemOf(listed.path), V.bytes.hex(table.digest()));
      this.counts.set(stemOf(listed.path), records);
      this.frameCounts.set(searchStemOf(listed.path), frames);
      this.frames += frames;
      this.members++;
    }

    /** Yield the frames as long as they stay within what export.json lists. */
    async *framesOf(listed, next) {
      let rest = listed.plainBytes;
      const options = { limit: Math.min(MAX_FRAME, rest), signal: this.signal };
      try {
        for await (const frame of V.zframes.frames(next, options)) {
          rest -= frame.size;
          if (rest < 0 || !frame.whole) {
            throw failed(7, listed.path, "a frame goes beyond the size in export.json, or ends in a record");
          }
          yield frame;
        }
      } catch (error) {
        if (!(error instanceof V.FormatError) || error instanceof V.ContainerError) throw error;
        throw failed(7, listed.path, error.message);
      }
    }

    async checkPages(listed, stem, next) {
      const root = V.sha256Stream();
      let [last, rows] = [null, 0];
      for await (const page of pagesOf(next, PAGE)) {
        if (page.length % ROW) {
          throw failed(8, listed.path, `an index page of ${page.length} bytes is no multiple of ${ROW}`);
        }
        if (!sorted(page, last, ROW, 0)) throw failed(8, listed.path, "index rows are not sorted");
        last = page.slice(-ROW);
        rows += page.length / ROW;
        await this.addPage(root, page);
      }
      if (rows !== this.counts.get(stem)) {
        throw failed(8, listed.path, "the index does not have one row for every record");
      }
      this.roots.set(stem, V.bytes.hex(root.digest()));
      this.rows += rows;
    }

    async addPage(root, page) {
      root.update(V.bytes.concat([page.subarray(0, 8), await EC.hash.sha256(page)]));
      await EC.turn.due(this.signal);
    }

    async checkTerms(listed, stem, next) {
      const root = V.sha256Stream();
      const frames = this.frameCounts.get(stem) ?? 0;
      let last = null;
      for await (const page of pagesOf(next, TERM_PAGE)) {
        if (page.length % TERM_ROW) {
          throw failed(8, listed.path, `a search page of ${page.length} bytes is no multiple of ${TERM_ROW}`);
        }
        if (!sorted(page, last, TERM_ROW, 1)) throw failed(8, listed.path, "search rows are not sorted, or one comes twice");
        if (highestFrame(page) >= frames) throw failed(8, listed.path, "a search row names a frame that is not there");
        last = page.slice(-TERM_ROW);
        await this.addPage(root, page);
      }
      if (V.bytes.hex(root.digest()) !== this.searchRoots.get(stem)) {
        throw failed(8, `${stem}.root`, "the root does not list the pages of its search index");
      }
    }
  }

  V.ContentChecks = ContentChecks;
})();
