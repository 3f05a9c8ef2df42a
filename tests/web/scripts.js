// Runs the viewer's scripts without a page: node scripts.js PROGRAM PART... reads JSON from stdin, prints JSON.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const [program, ...parts] = process.argv.slice(2);
globalThis.input = JSON.parse(fs.readFileSync(0, "utf8"));
globalThis.lines = function* (path) {
  for (const line of fs.readFileSync(path, "utf8").split("\n")) if (line) yield line;
};
// An archive as a page has it when it was chosen, or all files of a folder.
globalThis.chosen = async (path) => Object.assign(await fs.openAsBlob(path), { name: path.split("/").pop() });
globalThis.chosenFolder = (path) =>
  Promise.all(
    fs.readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
      .map(async (name) => Object.assign(await chosen(name), { webkitRelativePath: name.slice(path.lastIndexOf("/") + 1) })),
  );
// What a part may ask of a window as it is loaded.
globalThis.addEventListener = () => {};
for (const part of parts) vm.runInThisContext(fs.readFileSync(part, "utf8"), { filename: part });
Promise.resolve(vm.runInThisContext(`(async () => {${program}})()`)).then(
  (result) => process.stdout.write(JSON.stringify(result ?? null)),
  (error) => {
    console.error(error.stack);
    process.exitCode = 1;
  },
);
