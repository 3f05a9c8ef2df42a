// A bundle that a reader drops or chooses: an archive, or the folder it was extracted to. Nothing is read yet.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  /** More than any bundle has; whoever drops a disk gets an answer soon. */
  const MOST_FILES = 20_001;

  /** Add all files below a dropped entry, each with its path as `<input webkitdirectory>` would state it. */
  async function filesBelow(entry, found) {
    if (entry.isFile) {
      const file = await new Promise((done, refused) => entry.file(done, refused));
      Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.replace(/^\//, "") });
      found.push(file);
      return;
    }
    const reader = entry.createReader();
    while (found.length < MOST_FILES) {
      const some = await new Promise((done, refused) => reader.readEntries(done, refused));
      if (!some.length) return;
      for (const each of some) if (found.length < MOST_FILES) await filesBelow(each, found);
    }
  }

  /** Tell a chosen file from a chosen folder. */
  const chosenFile = (file) => ({ name: file.name, size: file.size, file });

  function chosenFolder(files, name = files[0].webkitRelativePath.split("/")[0]) {
    return { name, size: files.reduce((sum, file) => sum + file.size, 0), folder: files };
  }

  /** Return what was dropped: a file, or everything below a folder or several files and folders; null for nothing. */
  async function dropped(transfer) {
    // Entries are gone after the first turn: they have to be asked for now.
    const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = Array.from(transfer.files);
    if (entries.length < 2 && !entries[0]?.isDirectory) return files.length ? chosenFile(files[0]) : null;
    const found = [];
    for (const entry of entries) await filesBelow(entry, found);
    return found.length ? chosenFolder(found, entries.length === 1 ? entries[0].name : "dropped files") : null;
  }

  function picker(label, attributes, take) {
    const { h } = EC.dom;
    const input = h("input", { type: "file", hidden: true, ...attributes });
    input.addEventListener("change", () => {
      const files = Array.from(input.files);
      if (files.length) take(attributes.webkitdirectory ? chosenFolder(files) : chosenFile(files[0]));
      input.value = "";
    });
    const button = h("button", { type: "button", class: "button", onclick: () => input.click() }, label);
    return [button, input];
  }

  /** A bundle that is dropped beside its place must not replace the page. */
  function keepPage() {
    for (const kind of ["dragover", "drop"]) {
      addEventListener(kind, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
    }
  }

  function listen(zone, take) {
    let inside = 0;
    const mark = (change) => {
      inside = Math.max(inside + change, 0);
      zone.classList.toggle("over", inside > 0);
    };
    zone.addEventListener("dragenter", () => mark(1));
    zone.addEventListener("dragleave", () => mark(-1));
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", async (event) => {
      event.preventDefault();
      inside = 0;
      mark(0);
      try {
        const found = await dropped(event.dataTransfer);
        if (found) take(found);
      } catch (error) {
        EC.dom.announce(`What was dropped cannot be read: ${error.message}`);
      }
    });
  }

  /**
   * Put a place to drop or choose a bundle into an element.
   * @param {Element} element emptied first
   * @param {(chosen: {name: string, size: number, file?: File, folder?: File[]}) => void} take called with what was
   *   chosen: a file, or all files of a folder, each with its webkitRelativePath
   * @param {string} [words] what to ask for
   */
  function choose(element, take, words = "Drop a bundle here: its archive, or the folder it was extracted to.") {
    const { h, number, size } = EC.dom;
    const name = h("p", { class: "chosen", "aria-live": "polite" });
    const done = (chosen) => {
      const what = chosen.folder ? `folder of ${number(chosen.folder.length)} files` : "file";
      name.replaceChildren(h("strong", {}, EC.dom.visible(chosen.name)), ` ${what}, ${size(chosen.size)}`);
      take(chosen);
    };
    const buttons = [...picker("Choose a file", {}, done), ...picker("Choose a folder", { webkitdirectory: true }, done)];
    const zone = h("div", { class: "drop" }, h("p", {}, words), h("p", { class: "buttons" }, buttons), name);
    listen(zone, done);
    element.replaceChildren(zone);
  }

  keepPage();
  EC.choose = choose;
})();
