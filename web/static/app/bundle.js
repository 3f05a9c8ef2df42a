// What the bundle's page does beside its tables: copying, printing, and giving parts by others their place.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const COPIED_FOR = 2000;
  /** Rows of a table that are printed without being asked for. */
  const PRINTED = 200;

  function selectText(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  function copied(button, done) {
    button.textContent = done ? "Copied" : "Selected";
    EC.dom.announce(done ? "Copied." : "Selected; copy with the keyboard.");
    setTimeout(() => {
      button.textContent = "Copy";
      EC.dom.announce("");
    }, COPIED_FOR);
  }

  /** Copy what stands in the page; where that is not allowed it is selected, for the keyboard. */
  function copy(button) {
    const element = document.getElementById(button.dataset.copy);
    const fallBack = () => {
      selectText(element);
      copied(button, document.execCommand("copy"));
    };
    if (!navigator.clipboard) return fallBack();
    return navigator.clipboard.writeText(element.textContent).then(() => copied(button, true), fallBack);
  }

  EC.start("copying", () => {
    document.querySelectorAll("button.copy[data-copy]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    });
  });

  const short = (details) => !details.matches(".long") && details.querySelectorAll("tr").length <= PRINTED;
  let opened = [];

  /** On paper nothing can be opened: everything is, but what would fill a ream; afterwards it is as it was. */
  function printing() {
    // What lies folded in a record is a tree, or is read only when it is asked for.
    opened = Array.from(document.querySelectorAll("details:not([open], .record *)")).filter(short);
    for (const details of opened) details.open = true;
  }

  function printed() {
    for (const details of opened.splice(0)) details.open = false;
  }

  if (typeof document === "undefined") return;
  addEventListener("beforeprint", printing);
  addEventListener("afterprint", printed);
})();
