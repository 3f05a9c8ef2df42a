// A document's JSON as a tree that is built as it is opened: numbers and strings stand as they are spelled.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  /** What is open at first: the outermost, what has few parts just below it, and whatever is short. */
  const SHORT = { size: 6_000, parts: 40 };
  const FEW = 12;
  /** Deeper than `opens` nothing is open at first, and deeper than `tree` there is text: browsers fall over thousands of levels. */
  const DEEPEST = { opens: 100, tree: 200 };
  const LONGEST = 2_000;

  const isContainer = (node) => node.kind === "object" || node.kind === "array";

  /** A string or number; of a very long string the beginning, and the rest behind a button. */
  function scalar(text, node) {
    const { h, visible } = EC.dom;
    const lexeme = text.slice(node.start, node.end);
    if (lexeme.length <= LONGEST) return h("span", { class: node.kind }, visible(lexeme));
    const rest = h("button", { type: "button", class: "more" }, `… ${EC.dom.number(lexeme.length - LONGEST)} more characters`);
    const shown = h("span", { class: node.kind }, visible(lexeme.slice(0, LONGEST)), rest);
    rest.addEventListener("click", () => shown.replaceChildren(visible(lexeme)));
    return shown;
  }

  function keyOf(node) {
    const { h, visible } = EC.dom;
    return node.spelled && [h("span", { class: "key" }, visible(node.spelled)), ": "];
  }

  function item(text, node, depth) {
    const { h } = EC.dom;
    if (!isContainer(node) || depth > DEEPEST.tree) return h("li", {}, keyOf(node), scalar(text, node));
    return h("li", {}, branch(text, node, depth));
  }

  function branch(text, node, depth) {
    const { h, number } = EC.dom;
    const nodes = EC.json.children(text, node);
    const [open, close] = node.kind === "object" ? "{}" : "[]";
    if (!nodes.length) return [keyOf(node), open + close];
    const count = `${number(nodes.length)} ${node.kind === "object" ? "key" : "item"}${nodes.length === 1 ? "" : "s"}`;
    const list = h("ul", {});
    const details = h("details", {}, h("summary", {}, keyOf(node), open, h("small", {}, ` ${count} `), close), list);
    const build = () => details.open && !list.childElementCount && EC.dom.portions(list, nodes, (child) => item(text, child, depth + 1));
    details.addEventListener("toggle", build);
    const short = depth < DEEPEST.opens && node.end - node.start <= SHORT.size && nodes.length <= SHORT.parts;
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
