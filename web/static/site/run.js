/** The page of a run while it runs: counters, stages, events as they come, and the way to end it. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const LAST = { "run.succeeded": "Done", "run.failed": "Failed", "run.canceled": "Canceled" };
  const TICK = 1000;
  const COUNTERS = { status: 0, records: 1, bytes: 2, took: 3 };
  const $ = (id) => document.getElementById(id);

  /** Puts a text where it is not yet: what does not change is not announced and moves nothing. */
  function put(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  const count = (name, text) => put(document.querySelector(`[data-counter="${COUNTERS[name]}"]`), text);

  /** One run as this page follows it. */
  class Run {
    constructor(state, api) {
      this.state = state;
      this.url = `${api}/runs/${encodeURIComponent(state.run)}`;
      this.ending = new AbortController();
      this.heard = null;
      this.began = null;
      this.connection = "connecting";
      this.rates = new Map();
    }

    async begin() {
      this.bindCancel();
      const box = document.querySelector(".run-events");
      box.scrollTop = box.scrollHeight;
      await this.ask();
      const ticking = setInterval(() => this.tick(), TICK);
      this.ending.signal.addEventListener("abort", () => clearInterval(ticking));
      window.addEventListener("pagehide", () => this.ending.abort(), { once: true });
      try {
        await EC.events.follow({
          url: `${this.url}/events`,
          after: this.state.last,
          signal: this.ending.signal,
          onEvent: (event) => this.take(event),
          onState: (state, detail) => this.tell(state, detail),
        });
      } catch (error) {
        this.tell("refused", { words: EC.problems.words(error) });
      }
      this.ending.abort();
    }

    /** Reads how the run stands: when it began, and where its bundle is in the end. */
    async ask() {
      const answer = await EC.session.fetch(this.url);
      if (!answer.ok) return null;
      const run = await answer.json();
      this.began = run.startedAt && Date.parse(run.startedAt);
      return run;
    }

    /** Takes an event; returns whether it was the last. */
    take({ seq, type, data }) {
      this.heard = Date.now();
      // A service that does not know our last event tells all of them again.
      if (seq > this.state.last) this.add(seq, type, data);
      this.state.last = Math.max(seq, this.state.last);
      if (type === "run.progress") this.progress(data);
      const title = LAST[type];
      if (title) void this.finish(title, type, data);
      return Boolean(title);
    }

    /** Adds a row; who has scrolled to the end stays there. */
    add(seq, type, data) {
      const { h } = EC.dom;
      const [title, text] = EC.runWords.say(type, data);
      const box = document.querySelector(".run-events");
      const follows = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
      const time = EC.dom.time(data.timestamp, "-");
      $("run-events").append(
        h("tr", {}, h("td", { class: "num" }, `${seq}`), h("td", {}, time), h("td", {}, title), h("td", {}, text)),
      );
      this.leaveOut();
      if (follows) box.scrollTop = box.scrollHeight;
    }

    /** Keeps the newest rows: a run may tell more than a page can hold. */
    leaveOut() {
      const { rows } = $("run-events");
      if (rows.length <= EC.runWords.SHOWN) return;
      rows[0].remove();
      put($("run-earlier"), EC.runWords.earlier(++this.state.earlier));
      $("run-earlier").hidden = false;
    }

    progress(data) {
      this.began ??= Date.parse(data.timestamp);
      count("status", $("run-cancel").dataset.asked ? "Ending" : "Running");
      count("records", EC.dom.number(data.records));
      count("bytes", EC.dom.size(data.bytes));
      this.stage(data.phase, "now");
      if (data.adapter) this.adapter(data);
    }

    /** Marks where the run is; what lies before it is done. */
    stage(name, state) {
      const items = [...document.querySelectorAll("[data-stage]")];
      const at = items.findIndex((item) => item.dataset.stage === name);
      if (at < 0) return;
      items.forEach((item, place) => {
        item.className = place < at ? "done" : place === at ? state : "ahead";
        item.toggleAttribute("aria-current", false);
      });
      if (state === "now") items[at].setAttribute("aria-current", "step");
      this.reached = name;
    }

    adapter(data) {
      const { h, number, size } = EC.dom;
      const name = EC.dom.visible(data.adapter);
      const body = $("run-adapters");
      body.querySelector(".rest")?.remove();
      let row = [...body.rows].find((each) => each.dataset.adapter === name);
      if (!row) {
        const cells = ["", "num", "num", "num"].map((kind) => h("td", { class: kind }));
        row = h("tr", { "data-adapter": name }, h("th", { scope: "row" }, name), ...cells);
        body.append(row);
      }
      const [, stage, records, rate, bytes] = row.cells;
      put(stage, EC.runWords.stage(data.phase));
      put(records, number(data.records));
      put(rate, this.rate(data));
      put(bytes, size(data.bytes));
    }

    /** Returns records a second between the last two events of an adapter that told different times. */
    rate({ adapter, records, timestamp }) {
      const now = { at: Date.parse(timestamp), records };
      const known = this.rates.get(adapter) ?? { from: now, text: "-" };
      const seconds = (now.at - known.from.at) / TICK;
      if (seconds > 0 && records > known.from.records) {
        known.text = EC.dom.number(Math.round((records - known.from.records) / seconds));
      }
      this.rates.set(adapter, { from: seconds > 0 ? now : known.from, text: known.text });
      return known.text;
    }

    async finish(title, type, data) {
      count("status", title);
      $("run-cancel").hidden = true;
      $("run-dialog").close();
      if (type === "run.succeeded") {
        document.querySelectorAll("[data-stage]").forEach((item) => (item.className = "done"));
        count("records", EC.dom.number(data.records));
      } else {
        this.stage(this.reached, type === "run.failed" ? "failed" : "canceled");
        this.notice(type, data);
      }
      EC.dom.announce(`The run is over: ${title}`);
      const run = await this.ask();
      if (run?.durationSeconds != null) count("took", EC.dom.duration(run.durationSeconds));
      $("run-bundle").href = `${EC.page.root}bundles/${this.state.run}/index.html`;
      $("run-bundle").hidden = !run?.distributions.some((each) => each.type === "http");
    }

    notice(type, data) {
      const { h, visible } = EC.dom;
      const failed = type === "run.failed";
      const text = failed
        ? `This run failed: ${data.error?.message ?? data.errorCode}`
        : `This run was canceled ${EC.runWords.say(type, data)[1].replace(": ", ", who said: ")}`;
      const details = failed ? [`errorCode ${data.errorCode}, ${data.error?.code ?? ""}`] : [];
      const box = $("run-notice");
      const coded = details.map((each) => h("p", {}, h("code", {}, visible(each))));
      box.replaceChildren(h("p", {}, h("strong", {}, visible(text))), ...coded);
      box.hidden = false;
    }

    tell(state, detail) {
      this.connection = state;
      this.detail = detail;
      this.tick();
    }

    tick() {
      const since = this.heard === null ? "" : `, last event ${Math.round((Date.now() - this.heard) / TICK)} s ago`;
      const words = {
        connecting: () => "Connecting…",
        live: () => `Live${since || ", nothing new yet"}.`,
        waiting: ({ words, seconds }) => `${words} Trying again in ${seconds} s${since}.`,
        refused: ({ words }) => `No longer live: ${words}`,
        over: () => `This run is over.${this.state.earlier ? "" : " All its events are below."}`,
      };
      put($("run-connection"), words[this.connection](this.detail));
      $("run-connection").dataset.state = this.connection;
      if (this.began && !this.ending.signal.aborted && this.connection !== "over") {
        count("took", EC.dom.duration((Date.now() - this.began) / TICK));
      }
    }

    bindCancel() {
      const button = $("run-cancel");
      button.hidden = !("allowed" in button.dataset);
      button.onclick = () => $("run-dialog").showModal();
      $("run-keep").onclick = () => $("run-dialog").close();
      // One key for one intention: whoever clicks twice asks once.
      const key = crypto.randomUUID();
      $("run-end").onclick = () => void this.cancel(key);
    }

    async cancel(key) {
      const problem = $("run-dialog-problem");
      const reason = $("run-reason").value.trim();
      $("run-end").disabled = true;
      problem.hidden = true;
      try {
        const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
        const body = JSON.stringify(reason ? { reason } : {});
        const answer = await EC.session.fetch(`${this.url}:cancel`, { method: "POST", headers, body });
        if (!answer.ok) throw new Error(await EC.problems.ofAnswer(answer));
        $("run-dialog").close();
        $("run-cancel").hidden = true;
        $("run-cancel").dataset.asked = "yes";
        if (!this.ending.signal.aborted) count("status", "Ending");
      } catch (error) {
        put(problem, EC.problems.words(error));
        problem.hidden = false;
      }
      $("run-end").disabled = false;
    }
  }

  EC.start("run", (page) => {
    if (page.page !== "run") return undefined;
    document.querySelectorAll("time[datetime]").forEach((each) => each.replaceWith(EC.dom.time(each.dateTime)));
    const state = JSON.parse($("run-state").textContent);
    return state.isOver ? undefined : new Run(state, page.api).begin();
  });
})();
