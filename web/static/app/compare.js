// What changed between two bundles, told from their record indexes alone: keys and digests, never times. Records are the
// same when their keys are, and equal when their lines are (as `export-center bundle diff` has it).
//
//   EC.container.compare(a, b, {members, signal, progress, limit}) -> async iterator of Change; its return value is Counts
//       Both indexes are read page by page and merged, in bounded memory. After `limit` changes (20,000 by default; Infinity
//       for all) no more are listed, but all are counted: `progress` says `listed` and `counts`.
//   EC.container.resolve(a, b, changes, {signal, progress})  -> async iterator of {...Change, id, kind, source, locator,
//       record}: reads the frames that the changes lie in, each once; in the order of frames
//   await EC.container.recordOf(a, b, change, {signal})      -> Hit (lookup.js) of one change: of b, of a when removed
//
// Change:   {change: "added" | "changed" | "removed", member, row, before}: row of b's index (of a's when removed), before
//           the one of a's for "changed"; rows are {idHash, keyHash, sha256, lineSha256, frame, offset}
// Counts:   Map member -> {added, changed, removed, same}
// progress  called with {read, rows, listed, counts, whole}: rows of both indexes so far and in all; whole is false when
//           there are more changes than are listed. The same object each time.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { ROW, order } = EC.lookup;
  const KEY = 40;
  const LINE = 104;
  /** Pages that are read at once: about a megabyte. */
  const AT_ONCE = 16;

  const broken = (message) => new EC.BundleError(message, { advice: EC.ALTERED });

  /** One side's rows, in order, some pages at a time; the next ones are asked for while these are compared. */
  class Rows {
    constructor(index, signal, read) {
      Object.assign(this, { index, signal, read, number: 0, page: null, at: 0 });
      this.ahead = this.ask();
    }

    ask() {
      if (!this.index || this.number >= this.index.pages) return null;
      const asked = this.index.page(this.number, { signal: this.signal }, AT_ONCE);
      this.number += AT_ONCE;
      asked.catch(() => {});
      return asked;
    }

    /** The row that comes next, or null at the end; await only when `waits` says so. */
    get row() {
      return this.page === null ? null : this.page.subarray(this.at, this.at + ROW);
    }

    get waits() {
      return this.ahead !== null && (this.page === null || this.at >= this.page.length);
    }

    async turn() {
      const last = this.page?.subarray(-ROW);
      this.page = await this.ahead;
      this.at = 0;
      this.check(last);
      this.ahead = this.ask();
      this.read(this.page.length / ROW);
      await EC.turn.due(this.signal);
    }

    step() {
      const before = this.row;
      this.at += ROW;
      if (this.at >= this.page.length && this.ahead === null) this.page = null;
      return before;
    }

    /** Rows must be sorted, or a merge would overlook some: within a page that came, and from page to page. */
    check(last) {
      const { page } = this;
      let sorted = !last || order(last, page, ROW) <= 0;
      for (let at = ROW; at < page.length; at += ROW) sorted &&= orderAt(page, at - ROW, page, at, ROW) <= 0;
      if (!sorted) throw broken(`${this.index.member.path}: index rows are not sorted`);
    }
  }

  /** Compare two rows where they lie: a million times, so without taking them out first. */
  function orderAt(left, from, right, to, length) {
    for (let place = 0; place < length; place++) {
      const difference = left[from + place] - right[to + place];
      if (difference) return difference;
    }
    return 0;
  }

  /** Whether another row of this page follows, and has another key than this one. */
  const standsAlone = ({ page, at }) => at + ROW < page.length && orderAt(page, at, page, at + ROW, KEY) < 0;

  /** Go past rows that both sides have alike, as far as their pages go: of most bundles that is nearly all there is. */
  function skipAlike(left, right) {
    let rows = 0;
    if (!left.page || !right.page) return rows;
    while (standsAlone(left) && standsAlone(right) && !orderAt(left.page, left.at, right.page, right.at, LINE)) {
      left.at += ROW;
      right.at += ROW;
      rows += 1;
    }
    return rows;
  }

  const sameLine = (left, right) => order(left, right, LINE) === 0;
  const parsed = (bytes) => EC.lookup.row(bytes.slice());

  /** Take all rows of one key from a side: one, save for records that share all of their key. */
  async function takeKey(rows, key) {
    const found = [];
    while (rows.row && order(rows.row, key, KEY) === 0) {
      found.push(rows.step());
      if (rows.waits) await rows.turn();
    }
    return found;
  }

  /** Yield [change, row, before] for what two sides hold under one key; `same` counts what is equal. */
  function* ofOneKey(old, come, same) {
    const gone = old.filter((row) => !come.some((other) => sameLine(row, other)));
    const fresh = come.filter((row) => !old.some((other) => sameLine(row, other)));
    same(come.length - fresh.length);
    const pairs = Math.min(gone.length, fresh.length);
    for (let place = 0; place < pairs; place++) yield ["changed", fresh[place], gone[place]];
    for (const row of fresh.slice(pairs)) yield ["added", row, null];
    for (const row of gone.slice(pairs)) yield ["removed", row, null];
  }

  /** Which side's key comes first: below zero the left one; a side that has ended comes last. */
  function first(left, right) {
    if (!left.row || !right.row) return left.row ? -1 : 1;
    return order(left.row, right.row, KEY);
  }

  /** Merge two sorted indexes. */
  async function* merged(left, right, same) {
    for (const rows of [left, right]) if (rows.waits) await rows.turn();
    while (left.row || right.row) {
      same(skipAlike(left, right));
      const which = first(left, right);
      const key = (which <= 0 ? left : right).row;
      const old = which <= 0 ? await takeKey(left, key) : [];
      const come = which >= 0 ? await takeKey(right, key) : [];
      yield* ofOneKey(old, come, same);
    }
  }

  const rowsIn = (bundle, path) => (bundle.members.has(path) ? bundle.member(path).listed.records : 0);

  /** Members that both have with the same frames hold the same records: their indexes need not be read. */
  function isEqual(a, b, path) {
    const [left, right] = [a, b].map((bundle) => bundle.members.get(path)?.listed.framesSha256);
    return left !== undefined && left === right;
  }

  function teller(a, b, paths, progress) {
    const said = { read: 0, rows: 0, listed: 0, whole: true, counts: new Map() };
    for (const path of paths) {
      const equal = isEqual(a, b, path);
      said.counts.set(path, { added: 0, changed: 0, removed: 0, same: equal ? rowsIn(a, path) : 0 });
      said.rows += equal ? 0 : rowsIn(a, path) + rowsIn(b, path);
    }
    Object.defineProperty(said, "tell", { value: () => progress?.(said) });
    said.tell();
    return said;
  }

  async function side(bundle, path, signal, said) {
    const index = bundle.members.has(path) ? await EC.lookup.index(bundle, path, { signal }) : null;
    return new Rows(index, signal, (rows) => {
      said.read += rows;
      said.tell();
    });
  }

  async function* ofMember(a, b, member, { signal, limit, said }) {
    const counts = said.counts.get(member);
    const [left, right] = [await side(a, member, signal, said), await side(b, member, signal, said)];
    for await (const [change, row, before] of merged(left, right, (same) => (counts.same += same))) {
      counts[change] += 1;
      if (said.listed >= limit) said.whole = false;
      else {
        said.listed += 1;
        yield { change, member, row: parsed(row), before: before && parsed(before) };
      }
    }
  }

  async function* compare(a, b, { members, signal, progress, limit = 20_000 } = {}) {
    const all = [...a.framed, ...b.framed].map((listed) => listed.path);
    const paths = members ?? [...new Set(all)].sort();
    const said = teller(a, b, paths, progress);
    for (const path of paths) {
      if (!isEqual(a, b, path)) yield* ofMember(a, b, path, { signal, limit, said });
    }
    said.tell();
    return said.counts;
  }

  const sideOf = (a, b, change) => (change.change === "removed" ? a : b);

  async function recordOf(a, b, change, options) {
    return EC.lookup.read(sideOf(a, b, change), change.member, change.row, options);
  }

  const named = (change, { id, record }) => ({
    ...change,
    id,
    kind: record.kind ?? "",
    source: record.source ?? "",
    locator: record.locator ?? "",
    record,
  });

  /** Changes by the frame they lie in. */
  function byFrame(changes) {
    const groups = new Map();
    for (const change of changes) {
      const key = `${change.change === "removed" ? "a" : "b"} ${change.member} ${change.row.frame}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(change);
    }
    return [...groups.values()];
  }

  async function* resolve(a, b, changes, { signal, progress } = {}) {
    const groups = byFrame(changes);
    let looked = 0;
    for (const group of groups) {
      const [{ member, row }] = group;
      const plain = await EC.frames.plain(sideOf(a, b, group[0]), member, row.frame, { signal });
      for (const change of group) {
        await EC.turn.due(signal);
        const end = plain.indexOf(10, change.row.offset);
        const line = plain.subarray(change.row.offset, end + 1);
        if (!EC.hash.equal(await EC.hash.sha256(line), change.row.lineSha256)) {
          throw broken(`${member}: a record is not the one that the index stands for`);
        }
        yield named(change, EC.lookup.hit(member, change.row.frame, change.row.offset, line));
      }
      progress?.({ looked: (looked += 1), frames: groups.length });
    }
  }

  Object.assign(EC.container, { compare, resolve, recordOf });
})();
