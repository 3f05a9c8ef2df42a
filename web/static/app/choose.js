// A bundle that a reader drops or chooses: an archive, or the folder it was extracted to. Nothing is read yet.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  /** Return all files below a dropped folder, each with its path as `<input webkitdirectory>` would state it. */
  async function filesBelow(entry) {
    if (entry.isFile) {
      const file = await new Promise((done, refused) => entry.file(done, refused));
      Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.replace(/^\//, "") });
      return [file];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((done, refused) => reader.readEntries(done, refused));
      if (!some.length) return found;
      for (const each of some) found.push(...(await filesBelow(each)));
    }
  }

  /** Tell a chosen file from a chosen folder. */
  const chosenFile = (file) => ({ name: file.name, size: file.size, file });

  function chosenFolder(files) {
    const [name] = files[0].webkitRelativePath.split("/");
    return { name, size: files.reduce((sum, file) => sum + file.size, 0), folder: files };
  }

  async function dropped(transfer) {
    // Entries are gone after the first turn: they have to be asked for now.
    const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.());
    const files = Array.from(transfer.files);
    const folder = entries.find((entry) => entry?.isDirectory);
    if (folder) {
      const found = await filesBelow(folder);
      return found.length ? chosenFolder(found) : null;
    }
    return files.length ? chosenFile(files[0]) : null;
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
      const found = await dropped(event.dataTransfer);
      if (found) take(found);
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

  EC.choose = choose;
})();
