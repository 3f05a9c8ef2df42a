// One record, opened by its id: read, shown, and closed again.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { EVALUATIONS, evaluations, wrong } = EC.reading;
  /** The most records of one id that are read when one of them is opened. */
  const MOST_WITH_ID = 50;
  /** The most that are read when one is meant that is not among these. */
  const MOST_LOOKED_AT = 200;

  const isObservation = ({ record }, o) => typeof record.observationId === "string" && record.observationId.startsWith(o);

  class Opening {
    /** @param {object} bundle @param {string} file its name in commands @param {() => void} back called after closing */
    constructor(bundle, file, back) {
      Object.assign(this, { bundle, file, back, shown: {}, closing: false, title: document.title });
      this.element = EC.dom.h("div", { class: "opened" });
    }

    stop() {
      this.reading?.abort();
      document.title = this.title;
    }

    /** Show the record with an id, and with the beginning of an observation id one of several; "" shows none. */
    async open(record, o) {
      this.shown = { record, o };
      this.stop();
      this.element.replaceChildren();
      if (!record) return this.closed();
      this.reading = new AbortController();
      const { signal } = this.reading;
      const before = this.bundle.bytesRead;
      this.element.append(EC.dom.h("p", { class: "note", role: "status" }, `Opening ${EC.dom.brief(record)}…`));
      try {
        const hits = await this.withId(record, o, signal);
        if (!signal.aborted) this.show(hits, o, this.bundle.bytesRead - before, signal);
      } catch (error) {
        if (!signal.aborted) this.element.replaceChildren(wrong(error));
      }
    }

    /** Records with an id: the first ones, or more of them when the one that is meant is not among these. */
    async withId(id, o, signal) {
      const hits = await EC.lookup.byId(this.bundle, id, { signal, limit: MOST_WITH_ID });
      if (!hits.more || !o || hits.some((hit) => isObservation(hit, o))) return hits;
      return EC.lookup.byId(this.bundle, id, { signal, limit: MOST_LOOKED_AT });
    }

    closed() {
      if (this.closing) this.back();
      this.closing = false;
    }

    close() {
      this.closing = true;
      EC.state.set({ record: null, o: null });
    }

    show(hits, o, moved, signal) {
      const { h, size } = EC.dom;
      const records = hits.filter((hit) => hit.member !== EVALUATIONS);
      const hit = o ? records.find((one) => isObservation(one, o)) : (records[0] ?? hits[0]);
      if (!hit) return this.missing(hits);
      const close = h("button", { type: "button", class: "button", onclick: () => this.close() }, "Close");
      const bar = h("div", { class: "openedbar" }, close, h("small", {}, `${size(moved)} read to open it`), this.others(records, hit, hits.more));
      const related = [evaluations(hits, hit), EC.related.part(this.bundle, hit, signal)];
      const view = EC.record.view({ ...hit, line: hit.text }, { file: this.file, related });
      this.element.replaceChildren(bar, view);
      document.title = `${EC.dom.brief(hit.id)} · ${this.title}`;
      const head = view.querySelector("h3");
      head.focus({ preventScroll: true });
      this.element.scrollIntoView({ block: "start" });
      return undefined;
    }

    missing(hits) {
      const { record, o } = this.shown;
      const looked = hits.more ? `the first ${hits.length}` : "the";
      const which = hits.length ? `none of ${looked} records with the id ${record} is the observation ${o}…` : `this bundle has no record with the id ${record}`;
      return this.element.replaceChildren(wrong({ message: which, advice: "Search for its id, or for a part of it." }));
    }

    /** Links to the other records with the same id. */
    others(records, hit, more) {
      if (records.length < 2) return null;
      const { h, brief, number } = EC.dom;
      const rest = records.filter((one) => one !== hit).map(EC.found.row);
      const link = (one) => h("a", { href: EC.found.hrefOf(one) }, brief(`${one.source}, ${one.format}`));
      return h("details", {}, h("summary", {}, `${number(rest.length)}${more ? " or more" : ""} others with this id`), h("ul", {}, rest.map((one) => h("li", {}, link(one)))));
    }
  }

  EC.Opening = Opening;
})();
