// The page that verifies: a bundle and a key in, a verdict out; and then a look into the same bundle.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  /** A file that was chosen, as a source of bytes. */
  function fileSource(file, name = file.name) {
    const read = async (start, end) => new Uint8Array(await file.slice(start, end).arrayBuffer());
    return { name, size: file.size, read };
  }

  /** What was chosen, as EC.verify takes it. */
  function sourceOf({ name, size, file, folder }) {
    if (file) return fileSource(file);
    const below = (each) => each.webkitRelativePath.slice(each.webkitRelativePath.indexOf("/") + 1);
    return { name, size, files: new Map(folder.map((each) => [below(each), fileSource(each)])) };
  }

  class VerifyPage {
    constructor() {
      const { h } = EC.dom;
      this.chosen = null;
      this.canceling = null;
      this.steps = EC.verifySteps(document.getElementById("result"));
      this.go = h("button", { type: "button", class: "button main", onclick: () => this.verify() }, "Verify");
      this.stop = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.canceling?.abort() }, "Cancel");
      this.hint = h("p", { class: "note", id: "verify-hint" });
      document.getElementById("verify-actions").replaceChildren(this.go, this.stop, this.hint);
      EC.choose(document.getElementById("verify-choose"), (chosen) => this.take(chosen));
      this.trusted = EC.trusted(document.getElementById("verify-keys"), () => this.ready());
      this.ready();
      document.getElementById("verify-form").hidden = false;
    }

    take(chosen) {
      this.canceling?.abort();
      this.chosen = chosen;
      this.ready();
    }

    ready() {
      const missing = [!this.chosen && "a bundle", !this.trusted?.pem && "a key you trust"].filter(Boolean);
      this.go.disabled = missing.length > 0;
      this.hint.textContent = missing.length ? `Choose ${missing.join(" and ")}.` : "";
    }

    async verify() {
      const canceling = new AbortController();
      this.canceling = canceling;
      this.working(true);
      this.trusted.remember();
      const source = sourceOf(this.chosen);
      this.steps.begin(source.size);
      for await (const event of EC.verify.verify(source, this.trusted.pem, { signal: canceling.signal })) this.steps.show(event);
      this.working(false);
    }

    working(on) {
      this.stop.hidden = !on;
      this.go.hidden = on;
      if (on) document.getElementById("result").scrollIntoView({ block: "nearest" });
    }
  }

  EC.start("verify", ({ page }) => {
    if (page === "verify") new VerifyPage();
  });
})();
