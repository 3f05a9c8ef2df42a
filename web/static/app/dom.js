// Elements without markup: everything foreign becomes text, never HTML.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const SVG = "http://www.w3.org/2000/svg";
  const SAFE_LINK = /^(https?:|blob:|mailto:|[^:]*$|[^:/?#]*[/?#])/i;
  const COPIED_FOR = 2000;
  const PORTION = 100;

  function setAttribute(element, name, value) {
    if (name === "style") Object.entries(value).forEach(([key, text]) => element.style.setProperty(key, text));
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (typeof value === "function") element.addEventListener(name.replace(/^on/, "").toLowerCase(), value);
    else if (/^on/i.test(name)) throw new TypeError(`${name} must be a function`);
    else if (/^(href|src)$/.test(name) && !SAFE_LINK.test(value)) return;
    else if (name.startsWith("aria-")) element.setAttribute(name, String(value));
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }

  function build(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value !== null && value !== undefined) setAttribute(element, name, value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) element.append(child);
    }
    return element;
  }

  /**
   * Make an HTML element: `h("a", {href, class: "x", onclick: fn, "aria-label": "…"}, "text", node, [more])`.
   * Attributes that are null, undefined or false are left out (`aria-…: false` is written); `style` and `dataset`
   * are objects; links other than http(s), blob, mailto and relative ones are dropped.
   */
  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);

  /** Make an SVG element in the same way. */
  const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  /** Say a time in the reader's zone; "" for what is no time. */
  function local(iso) {
    const stamp = Date.parse(iso);
    return Number.isNaN(stamp) ? "" : `${new Date(stamp).toLocaleString()} local time`;
  }

  /** Make a `<time>`: UTC is shown, the reader's local time stands in the title; nothing becomes `missing`. */
  function time(iso, missing = "not stated") {
    if (!iso) return h("span", { class: "quiet" }, missing);
    const title = local(iso);
    return title ? h("time", { datetime: iso, title }, EC.figures.utc(iso)) : h("span", {}, EC.figures.brief(iso));
  }

  /** Show a foreign URL: its text, and a link only when it is http(s). */
  function link(url, text = url) {
    const shown = EC.figures.brief(text);
    if (!/^https?:\/\//i.test(url)) return h("span", {}, shown);
    return h("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, shown);
  }

  /**
   * Put items into a list in portions, each made when it is asked for: 50,000 components must not stop the page.
   * @param {Element} list @param {Array} items @param {(item: *) => Element} make its `<li>`
   */
  function portions(list, items, make, from = 0) {
    const { number } = EC.figures;
    const end = Math.min(items.length, from + PORTION);
    for (let place = from; place < end; place++) list.append(make(items[place]));
    const left = items.length - end;
    if (left <= 0) return;
    const more = h("button", { type: "button", class: "more" }, `Show ${number(Math.min(PORTION, left))} more`);
    const place = h("li", { class: "left" }, `${number(left)} more are not shown. `, more);
    more.addEventListener("click", () => {
      place.remove();
      portions(list, items, make, end);
    });
    list.append(place);
  }

  /** Say something to screen readers, politely; and show it where the page has a place for it. */
  function announce(text) {
    let place = document.getElementById("status");
    if (!place) {
      place = h("p", { id: "status", role: "status", class: "unseen" });
      document.body.append(place);
    }
    place.textContent = text;
  }

  function selectAndCopy(text) {
    const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  /** Copy a text; resolves to whether it worked, and says so. */
  async function copy(text) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = selectAndCopy(text);
    }
    announce(done ? "Copied." : "Copying is not allowed here; select the text and copy it with the keyboard.");
    return done;
  }

  /** Make a button that copies a text, or what a function returns at that time. */
  function copyButton(text, what, label = "Copy") {
    const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, label);
    button.addEventListener("click", async () => {
      const done = await copy(typeof text === "function" ? text() : text);
      button.textContent = done ? "Copied" : "Failed";
      setTimeout(() => (button.textContent = label), COPIED_FOR);
    });
    return button;
  }

  /** Let the reader keep a text or bytes as a file. */
  function download(name, content, type = "application/octet-stream") {
    const url = URL.createObjectURL(new Blob([content], { type }));
    const anchor = h("a", { href: url, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    announce(`${name}: ${EC.figures.size(new Blob([content]).size)}.`);
  }

  EC.dom = { ...EC.figures, h, s, local, time, link, portions, announce, copy, copyButton, download };
})();
