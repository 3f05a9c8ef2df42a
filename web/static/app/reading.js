// What the records section says, and how it reads: sentences, frames, and what a policy said.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const EVALUATIONS = "data/policy/evaluations.jsonl.zst";

  /** Say an error as a sentence, with what to do about it. */
  const words = (error) => [error?.message ?? String(error), error?.advice].filter(Boolean).map((text) => EC.dom.visible(text.replace(/\.?$/, "."))).join(" ");

  /** Say an error aloud, where what was asked for would stand. */
  const wrong = (error) => EC.dom.h("span", { class: "wrong", role: "alert" }, words(error));

  /** What a new search or another member ends: the record that is open, and filters of the rows that were found. */
  function fresh() {
    const filters = Object.keys(EC.state.get()).filter((key) => key.startsWith("found."));
    return Object.fromEntries(["q", "all", "browse", "record", "o", ...filters].map((key) => [key, null]));
  }

  const nameOf = (path) => path.replace(/^data\//, "").replace(/\.jsonl\.zst$/, "");

  const one = (count, words) => `${EC.dom.number(count)} ${count === 1 ? words[0] : words[1]}`;

  /** Say which frames were not read because they are too large for a page, and how many documents could not be. */
  function skipped(told) {
    const bytes = (told?.skipped ?? []).reduce((sum, frame) => sum + frame.bytes, 0);
    const frames = bytes && `${one(told.skipped.length, ["frame", "frames"])} of ${EC.dom.size(bytes)} ${told.skipped.length === 1 ? "is" : "are"} too large to be read here`;
    const documents = told?.unread && `${one(told.unread, ["document", "documents"])} could not be read down here`;
    const said = [frames, documents].filter(Boolean).join(", and ");
    return said && `${said}; use export-center bundle cat`;
  }

  async function* later(promise) {
    yield* await promise();
  }

  /** Yield the records of one frame. */
  async function* frameHits(bundle, path, frame, { signal, progress }) {
    // The number comes out of an address: that it is none of a frame says nothing of the bundle.
    const { length } = await EC.frames.table(bundle, path, { signal });
    if (!(frame < length)) {
      const advice = `It has ${one(length, ["frame", "frames"])}.`;
      throw new EC.BundleError(`${path} has no frame ${EC.dom.number(frame + 1)}`, { advice, code: "missing" });
    }
    const plain = await EC.frames.plain(bundle, path, frame, { signal });
    progress({ looked: 1, frames: 1, skipped: [] });
    for (const [offset, line] of EC.frames.lines(plain)) yield EC.lookup.hit(path, frame, offset, line);
  }

  /** What a policy said of a finding, each evaluation as it is. */
  function evaluations(hits, hit) {
    const found = hits.filter((one) => one.member === EVALUATIONS && one !== hit);
    if (!found.length) return null;
    const { h } = EC.dom;
    const items = found.map((one) => h("li", {}, EC.raw.tree(one.text)));
    return h("section", { class: "part" }, h("h4", {}, "What the policy says of it"), h("ul", {}, items));
  }

  /** Say why there is nothing to search in a bundle, or "". */
  function closed(bundle) {
    if (bundle.manifest.encryption) return "The records of this bundle are encrypted. Decrypt it with a key it was made for, and open what comes out.";
    return bundle.framed.length ? "" : "This bundle holds no records one a line.";
  }

  EC.reading = { EVALUATIONS, closed, evaluations, frameHits, fresh, later, nameOf, skipped, words, wrong };
})();
