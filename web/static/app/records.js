// The records of a bundle: search, browse, and open one. Every state is in the address: #q=…, #browse=…, #record=….
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const CAN = "Finds ids, aliases, package URLs, package names, and words of titles: whole words, in any order.";
  const CANNOT = "This bundle has no search index: an exact id is found at once, everything else by reading all of it.";
  const { closed, frameHits, fresh, later, nameOf, skipped, words, wrong } = EC.reading;

  class Records {
    constructor(element, bundle, options) {
      Object.assign(this, { element, bundle, options, shown: {}, work: new AbortController(), file: options.file ?? bundle.name });
      this.build();
      this.stop = EC.state.onchange(() => this.follow());
      this.follow();
    }

    build() {
      const { h } = EC.dom;
      this.input = h("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false", "aria-describedby": "search-can" });
      this.input.placeholder = "CVE-2024-3094, pkg:npm/lodash, openssl";
      const can = EC.search.available(this.bundle) ? CAN : CANNOT;
      const form = h("form", { role: "search" }, h("label", { for: "search" }, "Search"), this.input, h("button", { class: "button main" }, "Search"));
      form.addEventListener("submit", (event) => this.submitted(event));
      this.said = h("span", { role: "status" });
      this.cancel = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.work.abort() }, "Stop");
      this.next = h("span", { class: "buttons" });
      this.list = h("div", {});
      this.found = new EC.found.Found(this.list, (one) => EC.state.set(EC.found.stateOf(one)));
      this.opening = new EC.Opening(this.bundle, this.file, () => this.back());
      const finder = h("div", { class: "finder" }, form, h("p", { class: "note can", id: "search-can" }, can), this.browser());
      this.element.replaceChildren(finder, this.opening.element, h("div", { class: "reading" }, this.said, this.next, this.cancel), this.list);
    }

    browser() {
      const { h, number, shorten } = EC.dom;
      const go = (path) => EC.state.set({ ...fresh(), browse: `${path}:0` });
      const one = ({ path, records }) =>
        h("button", { type: "button", class: "button", onclick: () => go(path) }, `${shorten(EC.dom.visible(nameOf(path)), 40)} (${number(records)})`);
      return h("p", { class: "browse" }, h("span", {}, "Or browse"), this.bundle.framed.map(one));
    }

    submitted(event) {
      event.preventDefault();
      const query = this.input.value.trim();
      if (query && query === this.shown.q && !this.shown.all) this.shown = {};
      EC.state.set({ ...fresh(), q: query });
      this.follow();
    }

    /** Give up what runs, and return the signal of what begins. */
    abort() {
      this.work.abort();
      this.work = new AbortController();
      this.signal = this.work.signal;
      return this.signal;
    }

    // -- the state is followed --------------------------------------------------------------------------------------

    follow() {
      const { q, all, browse, record, o } = EC.state.get();
      const before = this.shown;
      this.shown = { q, all, browse, record, o };
      if (q !== before.q || all !== before.all || browse !== before.browse) this.lists();
      if (record !== before.record || o !== before.o) this.opening.open(record, o);
    }

    lists() {
      const { q, all, browse } = this.shown;
      this.input.value = q ?? "";
      this.next.replaceChildren();
      this.said.textContent = "";
      this.found.begin("Records");
      if (q || browse) this.inSight();
      if (q) this.run(`Records with ${q}`, (options) => this.hits(q, all, options));
      else if (browse) this.browse(browse);
      else this.abort();
    }

    /** A link in a record leads to a search that stands elsewhere on the page. */
    inSight() {
      const { top } = this.element.getBoundingClientRect();
      if (top < 0 || top > innerHeight / 2) this.element.scrollIntoView({ block: "start" });
    }

    /** After a record was closed the keyboard goes on in the rows it came from. */
    back() {
      const place = this.found.rows.length ? this.found.table.grid : this.input;
      place.focus({ preventScroll: true });
      this.inSight();
    }

    hits(query, all, options) {
      if (all) return EC.search.scan(this.bundle, { text: query, ...options });
      if (EC.search.available(this.bundle)) return EC.search.search(this.bundle, query, options);
      return later(() => EC.lookup.byId(this.bundle, query, options));
    }

    /** Run something that yields hits: rows come in, the bytes are counted, and it can be stopped. */
    async run(caption, hits) {
      const signal = this.abort();
      const before = this.bundle.bytesRead;
      let told = null;
      let whole = false;
      this.found.begin(EC.dom.visible(caption));
      this.cancel.hidden = false;
      this.tell(told, before);
      const progress = (news) => {
        told = { ...news };
        if (!signal.aborted) this.tell(told, before);
      };
      try {
        whole = await this.found.fill(hits({ signal, progress }), signal);
      } catch (error) {
        if (!signal.aborted) return this.failed(error);
      }
      // Something else runs by now, unless this was stopped by hand.
      if (this.signal !== signal) return undefined;
      this.ended(signal.aborted ? "stopped before the end" : whole ? skipped(told) : `the first ${EC.dom.number(EC.found.MOST)} only`);
      this.tell(told, before, true);
      return signal.aborted ? undefined : this.offer();
    }

    failed(error) {
      this.ended("it broke off");
      this.said.replaceChildren(wrong(error));
    }

    ended(partial) {
      this.found.finish(partial);
      this.cancel.hidden = true;
    }

    tell(told, before, done = false) {
      const { number, size } = EC.dom;
      const count = this.found.rows.length;
      const moved = size(this.bundle.bytesRead - before);
      if (done && !count && this.byIndex()) {
        this.said.textContent = `No record has these words, by the bundle's index; ${moved} read.`;
        return;
      }
      const frames = told?.frames ? ` in ${number(told.looked)} of ${number(told.frames)} frames` : "";
      const found = `${count || !done ? number(count) : "No"} ${count === 1 ? "record" : "records"}`;
      const more = this.found.table.partial ? ` (${this.found.table.partial})` : "";
      this.said.textContent = `${done ? "" : "Reading: "}${found}${more}${frames}; ${moved} read.`;
    }

    /** Whether all that was asked was the search index: what it leaves out is not found, and nobody looked further. */
    byIndex() {
      const { q, all } = this.shown;
      return q && !all && !this.found.table.partial && EC.search.available(this.bundle);
    }

    /** When words were found nowhere as a whole, offer to read everything, and say what that costs. */
    offer() {
      const { q, all } = this.shown;
      if (!q || all || this.found.rows.length) return;
      const { frames, bytes } = EC.search.cost(this.bundle);
      const { h, number, size } = EC.dom;
      const cost = `reads ${size(bytes)} in ${number(frames)} ${frames === 1 ? "frame" : "frames"}`;
      this.next.replaceChildren(
        h("button", { type: "button", class: "button", onclick: () => EC.state.set({ all: 1 }) }, "Look inside of words too"),
        h("small", {}, cost),
      );
    }

    // -- browsing ---------------------------------------------------------------------------------------------------

    async browse(state) {
      const [, path, number] = /^(.*):(\d+)$/.exec(state) ?? [null, state, "0"];
      const frame = Number(number);
      await this.run(`${path}, frame ${frame + 1}`, (options) => frameHits(this.bundle, path, frame, options));
      if (this.shown.browse !== state || !this.bundle.framed.some((member) => member.path === path)) return;
      const { length } = await EC.frames.table(this.bundle, path);
      if (!(frame < length)) return;
      const { h } = EC.dom;
      const step = (label, to) =>
        h("button", { type: "button", class: "button", disabled: to < 0 || to >= length, onclick: () => EC.state.set({ browse: `${path}:${to}` }) }, label);
      this.next.replaceChildren(step("Previous frame", frame - 1), step("Next frame", frame + 1), h("small", {}, `frame ${EC.dom.number(frame + 1)} of ${EC.dom.number(length)}`));
    }
  }

  /**
   * Put search, browsing and reading of a bundle's records into an element.
   * @param {Element} element emptied first
   * @param {object} bundle as EC.container.open gives it
   * @param {{file?: string}} [options] the name of the bundle's file in commands
   * @returns {{stop: () => void}} to call before another bundle is attached
   */
  function attach(element, bundle, options = {}) {
    const nothing = closed(bundle);
    if (nothing) {
      element.replaceChildren(EC.dom.h("p", { class: "note" }, nothing));
      return { stop: () => undefined };
    }
    const made = new Records(element, bundle, options);
    return {
      stop: () => {
        made.stop();
        made.abort();
        made.opening.stop();
      },
    };
  }

  EC.records = { attach, words };
})();
