// Verification on a page: a bundle and a key in, a verdict out; and then a look into the same bundle.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const place = (id) => document.getElementById(id);

  /** A key field, buttons, and steps with what came of them: what both pages that verify share. */
  class Verifying {
    /** @param {() => Promise<object> | object | null} source gives what to verify, as EC.verify takes it */
    constructor(source) {
      const { h } = EC.dom;
      Object.assign(this, { source, canceling: null });
      this.steps = EC.verifySteps(place("result"));
      this.go = h("button", { type: "button", class: "button main", onclick: () => this.verify() }, "Verify");
      this.stop = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.cancel() }, "Cancel");
      this.hint = h("p", { class: "note" });
      place("verify-actions").replaceChildren(this.go, this.stop, this.hint);
      this.trusted = EC.trusted(place("verify-keys"), () => this.ready());
      this.ready();
    }

    /** What is missing before verification can begin. */
    missing() {
      return this.trusted?.pem ? [] : ["a key you trust"];
    }

    ready() {
      const missing = this.missing();
      this.go.disabled = missing.length > 0;
      this.hint.textContent = missing.length ? `Choose ${missing.join(" and ")}.` : "";
    }

    cancel() {
      this.canceling?.abort();
    }

    /** What the bundle is called, for those who read the verdict. */
    get name() {
      return EC.page.bundle.name;
    }

    async verify() {
      const canceling = (this.canceling = new AbortController());
      this.working(true);
      this.trusted.remember();
      this.steps.begin(this.name);
      let verdict = null;
      try {
        const { signal } = canceling;
        for await (const event of EC.verify.verify(await this.source(signal), this.trusted.pem, { signal })) {
          if (event.kind === "verdict") verdict = event;
          if (this.canceling === canceling) this.steps.show(event);
        }
      } catch (error) {
        verdict = { kind: "verdict", verdict: "unreadable", message: error.message, advice: error.advice ?? "" };
        if (canceling.signal.aborted) verdict = { kind: "verdict", verdict: "canceled" };
        this.steps.show(verdict);
      }
      if (this.canceling === canceling) this.ended(verdict);
    }

    ended() {
      this.canceling = null;
      this.working(false);
    }

    working(on) {
      const focused = [this.go, this.stop].includes(document.activeElement);
      this.stop.hidden = !on;
      this.go.hidden = on;
      if (focused) (on ? this.stop : this.go).focus({ preventScroll: true });
      if (on) place("result").scrollIntoView({ block: "nearest" });
    }
  }

  /** The page that verifies whatever is dropped on it. */
  class VerifyPage extends Verifying {
    constructor() {
      super(() => EC.source.of(this.chosen));
      this.open = EC.dom.h("button", { type: "button", class: "button", hidden: true, onclick: () => this.look({}) }, "Look without verifying");
      place("verify-actions").insertBefore(this.open, this.hint);
      EC.choose(place("verify-choose"), (chosen) => this.take(chosen));
      this.ready();
      place("verify-form").hidden = false;
    }

    get name() {
      return this.chosen.name;
    }

    missing() {
      return [...(this.chosen ? [] : ["a bundle"]), ...super.missing()];
    }

    take(chosen) {
      this.cancel();
      this.chosen = chosen;
      this.leave?.();
      place("look").hidden = true;
      this.steps.clear();
      this.ready();
      this.open.hidden = false;
    }

    ended(verdict) {
      super.ended(verdict);
      this.leave?.();
      place("look").hidden = true;
      if (verdict.verdict === "verified") this.look(verdict);
    }

    working(on) {
      super.working(on);
      this.open.hidden = on;
    }

    async look(verdict) {
      this.leave?.();
      place("look").hidden = false;
      this.leave = await EC.verifyLook(place("verify-look"), this.chosen, verdict);
    }
  }

  /** The archive that a bundle's page is about, read over HTTP: as it is there now, not as the browser kept it. */
  function fromAddress({ url }, signal) {
    const ask = (...request) => (EC.session ? EC.session.fetch(...request) : globalThis.fetch(...request));
    const fetch = (address, options) => ask(address, { ...options, cache: "no-store" });
    return EC.source.fromUrl(new URL(url, location.href).href, { fetch, signal });
  }

  EC.start("verify", ({ page, bundle }) => {
    if (page === "verify") new VerifyPage();
    const here = place("verify-here");
    if (page !== "bundle" || !here || !EC.opened.reachable() || bundle.layout === "dir") return;
    new Verifying((signal) => fromAddress(bundle, signal));
    here.hidden = false;
  });
})();
