// Run the viewer's verifier outside a browser: scripts from a file that lists them, cases from standard input.
// Input: {"scripts": [paths], "cases": [{"path": …, "pem": …}]}; output: one JSON array of verdicts.
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

const { scripts, cases } = JSON.parse(fs.readFileSync(0, "utf8"));
for (const script of scripts) vm.runInThisContext(fs.readFileSync(script, "utf8"), { filename: script });
const EC = globalThis.ExportCenter;

/** A file as a source of bytes. */
function sourceOf(name) {
  const { size } = fs.statSync(name);
  const file = fs.openSync(name);
  const read = async (start, end) => {
    const bytes = new Uint8Array(end - start);
    return bytes.subarray(0, fs.readSync(file, bytes, 0, end - start, start));
  };
  return { name: path.basename(name), size, read };
}

/** All files of a folder, as a folder source. */
function folderOf(name) {
  const found = fs.readdirSync(name, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = found.map((entry) => path.relative(name, path.join(entry.parentPath ?? entry.path, entry.name)));
  const files = new Map(paths.map((below) => [below, sourceOf(path.join(name, below))]));
  return { name: path.basename(name), size: [...files.values()].reduce((sum, file) => sum + file.size, 0), files };
}

async function verdictOf({ path: name, pem }) {
  const steps = {};
  const members = [];
  const source = fs.statSync(name).isDirectory() ? folderOf(name) : sourceOf(name);
  for await (const event of EC.verify.verify(source, pem)) {
    if (event.kind === "step") steps[event.step] = event.state;
    if (event.kind === "member") members.push(event.member);
    if (event.kind !== "verdict") continue;
    const { verdict, step = null, member = null, message = "", layout = null, seconds } = event;
    return { verdict, step, member, message, layout, key_id: event.key?.keyId ?? null, steps, members, seconds };
  }
}

const verdicts = [];
for (const each of cases) verdicts.push(await verdictOf(each));
process.stdout.write(JSON.stringify(verdicts));
