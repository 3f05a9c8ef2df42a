// Where the records section of a bundle's page gets its bundle: over HTTP, or from the reader, who drops it here.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const FILE =
    "This page was opened as a file, and browsers do not let such a page read the files beside it. To search and read what is in the bundle, drop it here: its archive, or the folder it was extracted to. It is read where it lies; nothing leaves this computer.";
  const OTHER = "Drop or choose the bundle itself instead: its archive, or the folder it was extracted to.";
  const NEEDED = ["q", "record", "browse"];

  const needed = (state = EC.state.get()) => NEEDED.some((key) => state[key]);

  /** Return what the bundle's file is called, for commands: a folder is where one stands. */
  function fileName(bundle) {
    return bundle.layout === "dir" ? "." : bundle.name || "BUNDLE";
  }

  function dropZone(element, text, error) {
    const { h, visible } = EC.dom;
    const { record, q } = EC.state.get();
    const wanted = record ? `the record ${record}` : q ? `the search for ${q}` : "";
    const wrong = h("p", { class: "wrong", role: "alert" }, error ? EC.records.words(error) : "");
    const zone = h("div", {});
    const take = async (chosen) => {
      wrong.textContent = "";
      try {
        await EC.opened.take(chosen);
      } catch (failure) {
        wrong.textContent = EC.records.words(failure);
      }
    };
    EC.choose(zone, take, wanted ? `${text} Then ${visible(wanted)} opens.` : text);
    element.replaceChildren(zone, wrong);
  }

  /** Open the bundle when it is looked for or comes into sight; what cannot be fetched can still be dropped. */
  function fetchLazily(element) {
    const { h } = EC.dom;
    let begun = false;
    const begin = async () => {
      if (begun || EC.opened.bundle) return;
      begun = true;
      element.replaceChildren(h("p", { class: "note", role: "status" }, "Opening the bundle…"));
      try {
        await EC.opened.here();
      } catch (error) {
        dropZone(element, OTHER, error);
      }
    };
    element.replaceChildren(h("p", { class: "note" }, h("button", { type: "button", class: "button", onclick: begin }, "Open the records")));
    if (needed()) return void begin();
    EC.state.onchange((state) => needed(state) && begin());
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && begin(), { rootMargin: "300px" }).observe(element);
    return undefined;
  }

  let leave = () => undefined;

  EC.start("records", ({ page }) => {
    leave();
    const element = document.getElementById("records-here");
    if (page !== "bundle" || !element) return;
    let attached = null;
    const stop = EC.opened.on((bundle) => {
      attached?.stop();
      attached = EC.records.attach(element, bundle, { file: fileName(bundle) });
    });
    leave = () => {
      stop();
      attached?.stop();
    };
    if (EC.opened.bundle) return;
    if (EC.opened.reachable()) fetchLazily(element);
    else dropZone(element, FILE);
  });
})();
