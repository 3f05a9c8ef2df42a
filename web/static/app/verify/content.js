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
  const PARTS = [[".frames", 7], [".pages", 8], [".root", 8]];

  const failed = (step, member, message) => new V.VerificationError(step, member, message, MADE_SO);
  const stemOf = (path) => {
    const name = path.slice(path.indexOf("/") + 1 || path.length);
    return `indexes/${name.endsWith(FRAMED) ? name.slice(0, -FRAMED.length) : name}`;
  };

  /** Whether rows stand in order, and none before the last one of the page before. */
  function sorted(page, last) {
    for (let place = 0; place < page.length; place += ROW) {
      const row = page.subarray(place, place + ROW);
      if (last && V.bytes.compare(last, row) > 0) return false;
      last = row;
    }
    return true;
  }

  /** Yield pages of an index, the last one shorter. */
  async function* pagesOf(next) {
    let held = [];
    let size = 0;
    for (let piece = await next(); piece; piece = await next()) {
      held.push(piece);
      size += piece.length;
      if (size < PAGE) continue;
      const bytes = V.bytes.concat(held);
      const whole = size - (size % PAGE);
      for (let start = 0; start < whole; start += PAGE) yield bytes.subarray(start, start + PAGE);
      held = [bytes.subarray(whole)];
      size -= whole;
    }
    if (size) yield V.bytes.concat(held);
  }

  /** Looks into members as they pass, and keeps two digests of each framed one. */
  class ContentChecks {
    constructor(signal) {
      Object.assign(this, { signal, tables: new Map(), roots: new Map(), counts: new Map(), frames: 0, rows: 0, members: 0 });
    }

    /** Make sure that every framed member has an index of its own; throws VerificationError. */
    expect(members) {
      const paths = new Set(members.map(({ path }) => path));
      const stems = new Set();
      for (const { path } of members.filter(({ framesSha256 }) => framesSha256 !== undefined)) {
        const stem = stemOf(path);
        if (stems.has(stem) || !path.endsWith(FRAMED)) {
          throw failed(7, path, "no index of its own can belong to a member of this name");
        }
        stems.add(stem);
        for (const [suffix, step] of PARTS) {
          if (!paths.has(stem + suffix)) throw failed(step, path, `export.json lists no ${stem}${suffix}`);
        }
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
      if (suffix === ".root") this.same(8, listed, this.roots.get(stem), "the index root does not list the pages of its index");
    }

    // Step 6 makes sure that the member's digest is the listed one.
    same(step, listed, digest, message) {
      if (listed.sha256 !== digest) throw failed(step, listed.path, message);
    }

    async checkFrames(listed, next) {
      const [table, digest] = [V.sha256Stream(), V.sha256Stream()];
      let [offset, plain, records] = [0, 0, 0];
      for await (const frame of this.framesOf(listed, next)) {
        table.update(V.bytes.pack([offset, 8], [frame.compressed, 8], [frame.size, 8], [records, 8], frame.sha256));
        digest.update(V.bytes.concat([V.bytes.pack([frame.size, 8]).reverse(), frame.sha256]));
        offset += frame.compressed;
        plain += frame.size;
        records += frame.lines;
        this.frames++;
      }
      const found = [V.bytes.hex(digest.digest()), plain, records].join();
      if (found !== [listed.framesSha256, listed.plainBytes, listed.records].join()) {
        throw failed(7, listed.path, "its frames, plain size or records are not those in export.json");
      }
      this.tables.set(stemOf(listed.path), V.bytes.hex(table.digest()));
      this.counts.set(stemOf(listed.path), records);
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
      for await (const page of pagesOf(next)) {
        if (page.length % ROW) {
          throw failed(8, listed.path, `an index page of ${page.length} bytes is no multiple of ${ROW}`);
        }
        if (!sorted(page, last)) throw failed(8, listed.path, "index rows are not sorted");
        last = page.slice(-ROW);
        rows += page.length / ROW;
        root.update(V.bytes.concat([page.subarray(0, 8), await EC.hash.sha256(page)]));
        await EC.turn.due(this.signal);
      }
      if (rows !== this.counts.get(stem)) {
        throw failed(8, listed.path, "the index does not have one row for every record");
      }
      this.roots.set(stem, V.bytes.hex(root.digest()));
      this.rows += rows;
    }
  }

  V.ContentChecks = ContentChecks;
})();
