// Bundles that lie in a folder: chosen or dropped on the page, or beside the page on a server.
//
// A folder source:  {kind: "folder" | "siblings", name, bytesRead, requests, size, files, file(path, size) -> Promise<source>}
//   files      Map name -> byte source of all files in it; null where nobody can list them
//   file       a byte source (source.js) of one file; `size` may be given when it is known
//
//   EC.source.fromFolder(files)              -> folder source   FileList of <input webkitdirectory>, or [{path, file}]
//   EC.source.fromSiblings(baseUrl, {fetch}) -> folder source   files below an address that ends with "/"
//   EC.source.of({file} or {folder})         -> source or folder source, of what EC.choose hands over
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MANIFEST = "export.json";
  /** A bundle has some dozens of files; whoever drops a disk gets an answer rather than a dead page. */
  const MOST_FILES = 20_000;

  const broken = (message, advice, code = "unreadable") => new EC.BundleError(message, { advice, code });
  const CHOOSE = "Choose the folder that export.json lies in, or the bundle's file.";

  class Folder {
    constructor(kind, name, open, files) {
      Object.assign(this, { kind, name, open, files, opened: files ?? new Map() });
    }

    get bytesRead() {
      return this.sum("bytesRead");
    }

    get requests() {
      return this.sum("requests");
    }

    /** All bytes of the files that can be listed. */
    get size() {
      return this.files ? Array.from(this.files.values(), ({ size }) => size).reduce((sum, size) => sum + size, 0) : 0;
    }

    sum(field) {
      let total = 0;
      for (const source of this.opened.values()) total += source[field] ?? 0;
      return total;
    }

    async file(path, size) {
      if (!this.opened.has(path)) this.opened.set(path, await this.open(path, size));
      return this.opened.get(path);
    }
  }

  /** Return the folder that holds export.json as its own root, the one nearest to the top. */
  function fromFolder(chosen) {
    const all = Array.from(chosen, (each) => ({ path: each.path ?? each.webkitRelativePath ?? each.name, file: each.file ?? each }));
    if (all.length > MOST_FILES) throw broken(`the folder holds more than ${MOST_FILES} files`, CHOOSE, "limit");
    const depth = (path) => path.split("/").length;
    const roots = all.filter(({ path }) => path.split("/").pop() === MANIFEST).sort((a, b) => depth(a.path) - depth(b.path));
    if (!roots.length) throw broken("the folder is no bundle: it has no export.json", CHOOSE);
    if (roots.length > 1 && depth(roots[0].path) === depth(roots[1].path)) {
      throw broken(`the folder holds several bundles, as ${roots[0].path} and ${roots[1].path}`, "Choose the folder of one of them.");
    }
    const prefix = roots[0].path.slice(0, -MANIFEST.length);
    const inside = all.filter(({ path }) => path.startsWith(prefix));
    const open = (path) => Promise.reject(broken(`${path} is missing from the folder`, "Extract the bundle again.", "missing"));
    const files = new Map(inside.map(({ path, file }) => [path.slice(prefix.length), EC.source.fromFile(file)]));
    return new Folder("folder", prefix.split("/").at(-2) ?? "folder", open, files);
  }

  function fromSiblings(baseUrl, { fetch } = {}) {
    const base = String(baseUrl).replace(/[^/]*([?#].*)?$/, "");
    const name = base.split("/").at(-2) || "bundle";
    const addressOf = (path) => base + path.split("/").map(encodeURIComponent).join("/");
    return new Folder("siblings", name, (path, size) => EC.source.fromUrl(addressOf(path), { fetch, name: path, size }), null);
  }

  /** Return the source of what `EC.choose` hands over: {file} or {folder: files}. */
  const of = (chosen) => (chosen.folder ? fromFolder(chosen.folder) : EC.source.fromFile(chosen.file));

  Object.assign(EC.source, { fromFolder, fromSiblings, of });
})();
