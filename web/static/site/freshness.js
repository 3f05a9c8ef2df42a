// How old each profile's latest bundle is, by the reader's clock, and whether its schedule would have it newer.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MINUTE = 60_000;
  const SLACK = 3_600;

  /**
   * Say how fresh something is.
   * @param {{since: string, pause: number | null, archived: boolean}} facts `pause` in seconds: the longest time that its
   *   schedule lets pass between two runs; null without a schedule
   * @param {number} now milliseconds since 1970
   * @returns {{text: string, note: string, late: boolean}}
   */
  function judge({ since, pause, archived }, now) {
    const stamp = Date.parse(since);
    if (Number.isNaN(stamp)) return { text: "unknown", note: "nobody knows when it was made", late: !archived };
    const age = (now - stamp) / 1000;
    if (age < -SLACK) return { text: "ahead", note: "later than this clock's time", late: !archived };
    const text = EC.dom.duration(Math.max(0, Math.floor(age)));
    const allowed = pause === null ? Infinity : pause + Math.max(SLACK, pause / 10);
    const late = !archived && age > allowed;
    return { text, note: late ? `older than its schedule suggests: ${EC.dom.duration(pause)} at most` : "", late };
  }

  function show(cell, now) {
    const { since, pause } = cell.dataset;
    const said = judge({ since, pause: pause ? Number(pause) : null, archived: "archived" in cell.dataset }, now);
    cell.classList.toggle("late", said.late);
    cell.replaceChildren(said.text, ...(said.note ? [" ", EC.dom.h("small", {}, said.note)] : []));
  }

  EC.start("freshness", () => {
    const cells = Array.from(document.querySelectorAll(".age[data-since]"));
    if (!cells.length) return;
    const all = () => cells.forEach((cell) => show(cell, Date.now()));
    all();
    setInterval(all, MINUTE);
  });

  EC.freshness = { judge };
})();
