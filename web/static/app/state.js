// What a page shows, kept in the fragment of its address: "#members&q=lodash&record=…". Every state is a permalink.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const listeners = new Set();
  let current = {};
  let anchor = "";

  /** Split a fragment into an anchor (an id in the page, or "") and the state. */
  function parse(fragment) {
    const parts = fragment.replace(/^#/, "").split("&").filter(Boolean);
    const named = parts.filter((part) => part.includes("="));
    const [first = ""] = parts.filter((part) => !part.includes("="));
    return { anchor: decode(first), state: Object.fromEntries(new URLSearchParams(named.join("&"))) };
  }

  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** Write an anchor and a state as a fragment; keys in order, so that equal states have equal addresses. */
  function format(place, state) {
    const keys = Object.keys(state).sort();
    const parts = keys.map((key) => String(new URLSearchParams({ [key]: state[key] })));
    if (place) parts.unshift(encodeURIComponent(place));
    return parts.length ? `#${parts.join("&")}` : "";
  }

  function told(previous) {
    for (const listener of listeners) listener({ ...current }, previous);
  }

  function write(replace) {
    const target = format(anchor, current);
    if (target === location.hash) return;
    const address = location.pathname + location.search + target;
    history[replace ? "replaceState" : "pushState"](history.state, "", address);
  }

  function moved() {
    const found = parse(location.hash);
    const previous = current;
    // A link to a place on this page says nothing about the state: keep it.
    const onlyPlace = found.anchor && !Object.keys(found.state).length;
    anchor = found.anchor;
    if (!onlyPlace) current = found.state;
    write(true);
    told(previous);
  }

  function start() {
    ({ anchor, state: current } = parse(location.hash));
    addEventListener("hashchange", moved);
    if (anchor && location.hash.includes("&")) document.getElementById(anchor)?.scrollIntoView();
  }

  /** Return the state: an object of strings. */
  const get = () => ({ ...current });

  /**
   * Change some keys; null, undefined and "" remove a key. Listeners are told when something changed.
   * With `replace` the browser's history gets no new entry: for what changes while typing.
   */
  function set(patch, { replace = false } = {}) {
    const previous = current;
    const kept = Object.entries({ ...current, ...patch }).filter(([, value]) => (value ?? "") !== "");
    current = Object.fromEntries(kept.map(([key, value]) => [key, String(value)]));
    if (format("", previous) === format("", current)) return;
    anchor = "";
    write(replace);
    told(previous);
  }

  /** Call `listener(state, previous)` after every change, whoever made it; returns how to stop. */
  function onchange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Whether the address says something of a table, so that it has to be shown. */
  const asks = (id) => Object.keys(current).some((key) => key.startsWith(`${id}.`));

  EC.state = { parse, format, get, set, onchange, asks };
  if (typeof location !== "undefined") start();
})();
