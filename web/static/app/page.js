// What the page is, and how its parts are started. Every page says what it has to say without any script.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const starters = [];
  const given = {};

  /** Read the page's configuration: {mode, page, root, api, bundle, auth}; web/layout.py says what they mean. */
  function configuration() {
    return Object.freeze(JSON.parse(document.getElementById("page").textContent));
  }

  function failed(name, error) {
    console.error(`${name}: ${error && error.message}`);
    const status = document.getElementById("status");
    if (status) status.textContent = `A part of this page did not start: ${name}.`;
  }

  function run({ name, start }) {
    try {
      const done = start(EC.page);
      if (done && done.catch) done.catch((error) => failed(name, error));
    } catch (error) {
      failed(name, error);
    }
  }

  /**
   * Register a part of a page. It is called with EC.page when the document is there, and again when its content was
   * replaced; a part that has nothing to do on this page returns. One that throws does not keep others from starting.
   * @param {string} name shown when it fails
   * @param {(page: object) => (void | Promise<void>)} start
   */
  EC.start = (name, start) => void starters.push({ name, start });

  /** Start all parts: done once by itself, and by whoever replaced the page's content. */
  EC.restart = () => {
    EC.page = configuration();
    starters.forEach(run);
  };

  /**
   * Give, or take, a table of data that came as a script: file:// cannot fetch.
   * @param {string} name as in data/<name>.js
   * @param {object} [value] given by the script; absent to take it
   */
  EC.data = (name, value) => (value === undefined ? given[name] : void (given[name] = value));

  // Without a document there is nothing to start: the scripts then are a library, as for their tests.
  if (typeof document === "undefined") return;
  EC.page = configuration();
  document.addEventListener("DOMContentLoaded", () => EC.restart());
})();
