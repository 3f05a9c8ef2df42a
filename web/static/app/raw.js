// A document's JSON as a tree that is built as it is opened: numbers and strings stand as they are spelled.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const CHUNK = 100;
  /** What is open at first: the outermost, what has few parts just below it, and whatever is short. */
  const SHORT = { size: 6_000, parts: 40 };
  const FEW = 12;
  const LONGEST = 2_000;

  const isContainer = (node) => node.kind === "object" || node.kind === "array";

  /** A string or number; of a very long string the beginning, and the rest behind a button. */
  function scalar(text, node) {
    const { h, visible } = EC.dom;
    const lexeme = visible(text.slice(node.start, node.end));
    if (lexeme.length <= LONGEST) return h("span", { class: node.kind }, lexeme);
    const rest = h("button", { type: "button", class: "more" }, `… ${EC.dom.number(lexeme.length - LONGEST)} more characters`);
    const shown = h("span", { class: node.kind }, lexeme.slice(0, LONGEST), rest);
    rest.addEventListener("click", () => shown.replaceChildren(lexeme));
    return shown;
  }

  function keyOf(node) {
    const { h, visible } = EC.dom;
    return node.spelled && [h("span", { class: "key" }, visible(node.spelled)), ": "];
  }

  function item(text, node, depth) {
    const { h } = EC.dom;
    if (!isContainer(node)) return h("li", {}, keyOf(node), scalar(text, node));
    return h("li", {}, branch(text, node, depth));
  }

  /** Add children in portions: a list of 50,000 components must not stop the page. */
  function fill(list, text, nodes, depth, from = 0) {
    const { h, number } = EC.dom;
    list.append(...nodes.slice(from, from + CHUNK).map((node) => item(text, node, depth)));
    const left = nodes.length - from - CHUNK;
    if (left <= 0) return;
    const more = h("button", { type: "button", class: "more" }, `${number(Math.min(CHUNK, left))} more of ${number(left)}`);
    const place = h("li", {}, more);
    more.addEventListener("click", () => {
      place.remove();
      fill(list, text, nodes, depth, from + CHUNK);
    });
    list.append(place);
  }

  function branch(text, node, depth) {
    const { h, number } = EC.dom;
    const nodes = EC.json.children(text, node);
    const [open, close] = node.kind === "object" ? "{}" : "[]";
    if (!nodes.length) return [keyOf(node), open + close];
    const count = `${number(nodes.length)} ${node.kind === "object" ? "key" : "item"}${nodes.length === 1 ? "" : "s"}`;
    const list = h("ul", {});
    const details = h("details", {}, h("summary", {}, keyOf(node), open, h("small", {}, ` ${count} `), close), list);
    const build = () => details.open && !list.childElementCount && fill(list, text, nodes, depth + 1);
    details.addEventListener("toggle", build);
    const short = node.end - node.start <= SHORT.size && nodes.length <= SHORT.parts;
    details.open = depth === 0 || short || (depth === 1 && nodes.length <= FEW);
    build();
    return details;
  }

  /** Make the tree of a JSON text. */
  function tree(text) {
    const root = EC.json.valueAt(text, 0);
    return EC.dom.h("div", { class: "json" }, isContainer(root) ? branch(text, { ...root, spelled: "" }, 0) : scalar(text, root));
  }

  function openAll(element, open) {
    for (const details of element.querySelectorAll(":scope > details > ul details")) details.open = open;
  }

  /**
   * Make the panel of a document: its tree, and buttons to copy (indented) and to keep it (byte for byte as it lies in
   * the bundle).
   * @param {string} text the document's JSON
   * @param {string} name of the file to keep it in
   */
  function panel(text, name) {
    const { h, copyButton, download, size } = EC.dom;
    const shown = tree(text);
    const button = (label, act) => h("button", { type: "button", class: "copy", onclick: act }, label);
    const bytes = new TextEncoder().encode(text).length;
    const tools = h(
      "div",
      { class: "rawtools" },
      copyButton(() => EC.json.pretty(text), "the document as indented JSON"),
      button("Download", () => download(name, text, "application/json")),
      button("Open all", () => openAll(shown, true)),
      button("Close all", () => openAll(shown, false)),
      h("small", {}, `${size(bytes)} in the bundle`),
    );
    return h("div", { class: "raw" }, tools, h("div", { class: "rawbox", tabindex: 0, role: "region", "aria-label": "The document as JSON" }, shown));
  }

  EC.raw = { tree, panel };
})();
