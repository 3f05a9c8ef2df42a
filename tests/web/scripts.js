// Runs the viewer's scripts without a page: node scripts.js PROGRAM PART... reads JSON from stdin, prints JSON.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const [program, ...parts] = process.argv.slice(2);
globalThis.input = JSON.parse(fs.readFileSync(0, "utf8"));
globalThis.lines = function* (path) {
  for (const line of fs.readFileSync(path, "utf8").split("\n")) if (line) yield line;
};
for (const part of parts) vm.runInThisContext(fs.readFileSync(part, "utf8"), { filename: part });
Promise.resolve(vm.runInThisContext(`(async () => {${program}})()`)).then(
  (result) => process.stdout.write(JSON.stringify(result ?? null)),
  (error) => {
    console.error(error.stack);
    process.exitCode = 1;
  },
);
