// Numbers, sizes, times and foreign texts as the pages show them: the same rules as web/figures.py.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const THIN_SPACE = "\u202f";
  const BRIEF = 500;
  const UNITS = ["kB", "MB", "GB", "TB", "PB"];
  const UNSEEN = new RegExp(
    "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb" +
      "\\ud800-\\udfff\\u{e0000}-\\u{e007f}]",
    "gu",
  );
  const SPANS = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ];

  const tenths = (value, scale) => Math.floor((value * 20 + scale) / (2 * scale));

  /** Return a whole number with its digits in groups of three: 1234567 as "1 234 567", with narrow spaces. */
  function number(value) {
    return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
  }

  /** Return a number of bytes in powers of 1000, rounded half up to one decimal: 1250000 as "1.3 MB". */
  function size(value) {
    if (value < 1000) return `${value}${THIN_SPACE}B`;
    let scale = 1000;
    let unit = 0;
    for (; tenths(value, scale) >= 10_000 && unit < UNITS.length - 1; unit++) scale *= 1000;
    const found = tenths(value, scale);
    return `${number(Math.floor(found / 10))}.${found % 10}${THIN_SPACE}${UNITS[unit]}`;
  }

  /** Return a foreign text with controls, invisible and direction-changing characters as `\u{…}`. */
  function visible(text) {
    return String(text).replace(UNSEEN, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
  }

  /** Return a text of at most `length` characters, its middle left out when it is longer. */
  function shorten(text, length) {
    if (text.length <= length) return text;
    // Of a very long text only the ends are looked at: a character is at most two units.
    const ends = text.length > 4 * length ? text.slice(0, 2 * length) + text.slice(-2 * length) : text;
    const points = Array.from(ends);
    if (points.length <= length) return text;
    const tail = Math.floor((length - 1) / 2);
    return `${points.slice(0, length - 1 - tail).join("")}…${tail ? points.slice(-tail).join("") : ""}`;
  }

  /** Return a foreign text as it is shown where it names something: visible, and cut when nobody reads all of it. */
  const brief = (text) => visible(shorten(String(text), BRIEF));

  /** Return an ISO time in UTC as people read it: "2026-03-31 17:42:05 UTC"; what is no time is returned as it is. */
  function utc(iso) {
    const stamp = Date.parse(iso);
    if (Number.isNaN(stamp)) return visible(iso);
    const text = new Date(stamp).toISOString();
    return /^\d{4}-\d{2}-\d{2}$/.test(iso) ? iso : `${text.slice(0, -5).replace("T", " ")} UTC`;
  }

  /** Return a number of seconds as its two largest units: 3725 as "1 h 2 min"; under a minute with one decimal. */
  function duration(seconds) {
    if (seconds < 60) return `${Math.round(seconds * 10) / 10}${THIN_SPACE}s`;
    const start = SPANS.findIndex(([span]) => seconds >= span);
    const [span, unit] = SPANS[start];
    const [below, name] = SPANS[start + 1] ?? [1, "s"];
    const rest = Math.floor((seconds % span) / below);
    return `${Math.floor(seconds / span)}${THIN_SPACE}${unit}${rest ? ` ${rest}${THIN_SPACE}${name}` : ""}`;
  }

  EC.figures = { THIN_SPACE, number, size, visible, shorten, brief, utc, duration };
})();
