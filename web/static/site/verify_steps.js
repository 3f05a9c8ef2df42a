// What comes of a verification, step by step, as it happens.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const WORDS = { running: "checking", passed: "passed", failed: "failed", open: "not finished", never: "not reached" };
  const LAST_HERE = 11;

  /** Say what a note of EC.verify counts. */
  function noteOf(note) {
    const { number, size } = EC.dom;
    if (!note || typeof note === "string") return note ?? "";
    const { members, bytes, frames, rows, archive } = note;
    return [
      members !== undefined && `${number(members)} member${members === 1 ? "" : "s"}`,
      frames !== undefined && `${number(frames)} frame${frames === 1 ? "" : "s"}`,
      rows !== undefined && `${number(rows)} row${rows === 1 ? "" : "s"}`,
      bytes !== undefined && size(bytes),
      archive !== undefined && size(archive),
    ].filter(Boolean).join(", ");
  }

  const fact = (name, value) => EC.dom.h("div", {}, EC.dom.h("dt", {}, name), EC.dom.h("dd", {}, value));

  function verified(verdict, { name, size }) {
    const { h, duration, visible } = EC.dom;
    const speed = EC.dom.size(Math.round(size / Math.max(verdict.seconds, 0.001)));
    return [
      h("p", { class: "word" }, "Verified, checked with the key you supplied"),
      h("p", {}, `Steps 1 to ${LAST_HERE} passed: whoever holds the private half of this key signed exactly these bytes. Step 12, every record by itself, was not done here.`),
      h("dl", { class: "facts" }, [
        fact("File", `${visible(name)}, ${EC.dom.size(size)}`),
        fact("Key id", h("span", { class: "digest" }, verdict.key.keyId)),
        fact("contentDigest", h("span", { class: "digest" }, verdict.manifest.contentDigest)),
      ]),
      h("p", { class: "note" }, `Checked in ${duration(verdict.seconds)}, ${speed} a second.`),
    ];
  }

  /** What was verified is whole and signed, and yet not what its reader sees above: say how the two differ. */
  function another({ manifest, manifestSha256 }) {
    const { h, visible } = EC.dom;
    const { bundle } = EC.page;
    const digest = (value) => h("span", { class: "digest" }, value);
    return [
      h("p", { class: "word" }, "Genuine, but not the bundle that this page is about"),
      h("p", {}, "The archive that lies here now was signed with this key. It is another export than the one that this page tells of: rely on nothing that the page says."),
      h("dl", { class: "facts" }, [
        fact("Verified", `as of ${visible(manifest.asOf)}`),
        fact("Its contentDigest", digest(manifest.contentDigest)),
        fact("This page's contentDigest", digest(bundle.contentDigest)),
        fact("SHA-256 of its export.json", digest(manifestSha256)),
        fact("SHA-256 of this page's export.json", digest(bundle.manifestSha256)),
      ]),
      h("p", { class: "note" }, "Ask whoever runs this site to put the page or the archive right; verify.html judges the archive by itself."),
    ];
  }

  /** The verdict, as it is meant on this page. */
  function judged({ verdict, manifestSha256 }) {
    const wanted = EC.page.bundle?.manifestSha256;
    return verdict === "verified" && wanted && manifestSha256 !== wanted ? "another" : verdict;
  }

  function refused({ step, member, message, advice }) {
    const { h, visible } = EC.dom;
    const place = member === "archive" ? "the container" : member;
    return [
      h("p", { class: "word" }, "Not verified: do not rely on this bundle"),
      h("p", {}, `Step ${step} failed at `, h("strong", { class: "member" }, visible(place)), `: ${visible(message)}.`),
      h("p", { class: "note" }, visible(advice)),
    ];
  }

  function unreadable({ message, advice }) {
    const { h, visible } = EC.dom;
    return [h("p", { class: "word" }, "Nothing to verify"), h("p", {}, `${visible(message)}.`), h("p", { class: "note" }, visible(advice))];
  }

  const canceled = () => [EC.dom.h("p", { class: "word" }, "Canceled: nothing is known about this bundle")];
  const SAYING = { verified, another, failed: refused, unreadable, canceled };

  class Steps {
    /** @param {Element} root holds #verify-verdict, #verify-progress and the list of steps */
    constructor(root) {
      const { h } = EC.dom;
      this.items = new Map(Array.from(root.querySelectorAll(".checks > li"), (item) => [Number(item.dataset.step), item]));
      this.verdict = root.querySelector("#verify-verdict");
      this.place = root.querySelector("#verify-progress");
      this.folded = root.querySelector("details");
      this.bar = h("progress", { max: 1000, value: 0, "aria-label": "Bytes checked" });
      this.where = h("p", { class: "note" });
      this.place.replaceChildren(this.bar, this.where);
    }

    /** Forget what came of the last verification. */
    clear() {
      this.verdict.hidden = true;
      this.place.hidden = true;
      for (const [step, item] of this.items) if (step <= LAST_HERE) this.mark(item, "", "");
    }

    begin(name) {
      this.clear();
      Object.assign(this, { name, size: 0, since: performance.now() });
      this.place.hidden = false;
      this.bar.removeAttribute("value");
      this.where.textContent = "Reading the signed list…";
    }

    mark(item, state, note) {
      item.dataset.state = state;
      const words = WORDS[state] ?? "";
      item.querySelector(".state").textContent = note ? `${words}: ${EC.dom.visible(note)}` : words;
    }

    progress({ bytes, total, member }) {
      const { size } = EC.dom;
      const seconds = (performance.now() - this.since) / 1000;
      this.size = total;
      this.bar.value = total ? Math.round((bytes / total) * 1000) : 0;
      const speed = seconds > 0.5 ? `, ${size(Math.round(bytes / seconds))}/s` : "";
      this.where.textContent = `${size(bytes)} of ${size(total)}${speed}${member ? `: ${EC.dom.visible(member)}` : ""}`;
    }

    /** Show an event of EC.verify. */
    show(event) {
      if (event.kind === "step") this.mark(this.items.get(event.step), event.state, noteOf(event.note));
      if (event.kind === "progress") this.progress(event);
      if (event.kind === "verdict") this.end(event);
    }

    end(verdict) {
      this.place.hidden = true;
      for (const [step, item] of this.items) {
        if (step > LAST_HERE) continue;
        if (item.dataset.state === "running") this.mark(item, "open", "");
        if (!item.dataset.state) this.mark(item, "never", "");
      }
      const word = judged(verdict);
      this.verdict.dataset.verdict = word;
      this.verdict.replaceChildren(...SAYING[word](verdict, this));
      this.verdict.hidden = false;
      if (verdict.verdict === "failed" && this.folded) this.folded.open = true;
    }
  }

  EC.verifySteps = (root) => new Steps(root);
})();
