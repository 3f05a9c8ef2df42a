// What a site knows: its rows of runs and bundles, and what each bundle says of itself. Fetched where a page can fetch;
// opened from a file, it takes the same values from scripts that lie beside it.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const LIST = "runs";
  const OURS = /^(\.\.\/)*(data|bundles\/[A-Za-z0-9._-]+)\/[A-Za-z0-9._-]+\.js$/;
  let rows = null;

  const policy = globalThis.trustedTypes?.createPolicy("export-center-data", {
    createScriptURL: (url) => {
      if (!OURS.test(url)) throw new TypeError(`${url} is no data of this site`);
      return url;
    },
  });

  const fromFile = () => location.protocol === "file:";

  /** Run a script of this site that hands over a value by EC.data(name). */
  function scripted(url, name) {
    return new Promise((done, failed) => {
      const element = document.createElement("script");
      element.src = policy ? policy.createScriptURL(url) : url;
      element.addEventListener("load", () => (element.remove(), done(EC.data(name))));
      element.addEventListener("error", () => failed(new Error(`${url} cannot be read; is it still beside this page?`)));
      document.head.append(element);
    });
  }

  async function fetched(url) {
    const ask = EC.session ? EC.session.fetch : (...request) => fetch(...request);
    const answer = await ask(url, { cache: "no-cache" });
    if (!answer.ok) throw new Error(`${url} cannot be read: the server answers ${answer.status}`);
    return answer.json();
  }

  const objects = ({ fields, rows: found }) =>
    found.map((values) => Object.fromEntries(fields.map((field, place) => [field, values[place]])));

  async function load() {
    const url = `${EC.page.root}data/${LIST}`;
    const table = fromFile() ? (EC.data(LIST) ?? (await scripted(`${url}.js`, LIST))) : await fetched(`${url}.json`);
    return objects(table);
  }

  /** Every run and bundle of the site, newest first; fields as web/overview.py's Row has them. Loaded once. */
  function all() {
    rows ??= load().catch((error) => {
      rows = null;
      throw error;
    });
    return rows;
  }

  const folder = (name) => `${EC.page.root}bundles/${encodeURIComponent(name)}`;

  /** What a bundle of the site says of itself (export.json); nothing of it is verified here. */
  function manifest(name) {
    const script = `${folder(name)}/export.js`;
    return fromFile() ? scripted(script, `export:${name}`) : fetched(`${folder(name)}/export.json`);
  }

  const ENDINGS = { "tar.zst": "bundle.tar.zst", zip: "bundle.zip", dir: "bundle/" };

  /** Where the bundle of a row lies, for EC.source.fromUrl or fromSiblings. */
  function archive(row) {
    if (EC.page.mode === "served") return `${EC.page.api}/runs/${encodeURIComponent(row.name)}/download`;
    return `${folder(row.name)}/${ENDINGS[row.layout]}`;
  }

  /** The best known time of a row: when it was finished, else made, else what it is about. */
  const timeOf = (row) => row.finished || row.created || row.as_of;

  const isGood = (row) => row.bundle && (row.status === "success" || row.status === "verified");

  /** Where a row leads: to its bundle's page, else to its run's; null when the site has neither. */
  function pageOf(row) {
    if (row.bundle) return `${folder(row.name)}/index.html`;
    return row.run ? `${EC.page.root}runs/${encodeURIComponent(row.name)}/index.html` : null;
  }

  EC.known = { all, manifest, archive, timeOf, isGood, pageOf, fromFile };
})();
