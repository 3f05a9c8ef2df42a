// The bundle a page is about, once it can be read: opened over HTTP, dropped or chosen, and shared by all parts.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const listeners = new Set();
  let bundle = null;
  let opening = null;

  /** Whether the page lies where it can fetch what lies beside it; on file:// a page cannot. */
  const reachable = () => Boolean(EC.page.bundle) && location.protocol !== "file:";

  function same(found, what, wanted, digest) {
    if (!wanted || digest === wanted) return;
    const advice = `This page is about ${what} ${wanted.slice(0, 12)}…; open that one, or look at the other by its own page.`;
    throw new EC.BundleError(`${found.name} is another bundle, of ${what} ${digest.slice(0, 12)}…`, { advice, code: "other" });
  }

  /** Make a bundle the one this page is about; every listener gets it. Refuses another bundle than the page's. */
  async function put(found) {
    const { contentDigest, manifestSha256 } = EC.page.bundle ?? {};
    same(found, "contentDigest", contentDigest, found.manifest.contentDigest);
    // Exports of the same evidence as of another time have the same contentDigest.
    if (manifestSha256) same(found, "export.json", manifestSha256, await EC.hash.sha256Hex(found.manifestBytes));
    bundle = found;
    for (const listener of listeners) listener(found);
    return found;
  }

  async function fetched() {
    const { url, layout } = EC.page.bundle;
    const address = new URL(url || ".", location.href).href;
    const options = { fetch: (...request) => (EC.session ? EC.session.fetch(...request) : fetch(...request)) };
    const source = layout === "dir" ? await EC.source.fromSiblings(address, options) : await EC.source.fromUrl(address, options);
    return put(await EC.container.open(source));
  }

  /** Open the page's own bundle over HTTP, once. Rejects where that cannot be done: see reachable(). */
  function here() {
    opening ??= fetched().catch((error) => {
      opening = null;
      throw error;
    });
    return opening;
  }

  /**
   * Open what was dropped or chosen.
   * @param {{file?: File, folder?: File[]}} chosen as EC.choose gives it
   */
  async function take({ file, folder }) {
    const source = folder ? await EC.source.fromFolder(folder) : EC.source.fromFile(file);
    return put(await EC.container.open(source));
  }

  /** Call a function with the bundle: at once when it is open, and whenever one is opened. Returns how to stop. */
  function on(listener) {
    listeners.add(listener);
    if (bundle) listener(bundle);
    return () => listeners.delete(listener);
  }

  EC.opened = { reachable, put, here, take, on, get bundle() { return bundle; } };
})();
