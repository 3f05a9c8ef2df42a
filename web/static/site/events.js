/** Following a stream of server-sent events by fetch: EventSource cannot send a token, nor say why it failed. */
(function () {
  "use strict";
  const EC = (globalThis.ExportCenter ??= {});
  const FIRST_PAUSE = 2000;
  const LONGEST_PAUSE = 30000;
  const SILENCE = 45000; // three of the service's heartbeats
  const OVER = 204;

  /** Yields the messages of a stream of bytes: {id, event, data, retry}; what has no data and sets nothing is none. */
  async function* messages(body, alive) {
    let message = {};
    for await (const line of lines(body, alive)) {
      if (line === "") {
        if (message.data !== undefined || message.retry !== undefined) yield message;
        message = {};
      } else if (!line.startsWith(":")) {
        take(message, line);
      }
    }
  }

  function take(message, line) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === "data") message.data = message.data === undefined ? value ?? "" : `${message.data}\n${value ?? ""}`;
    else if (name === "retry" && /^\d+$/.test(value)) message.retry = Number(value);
    else if (name === "id" && !value?.includes("\0")) message.id = value ?? "";
    else if (name === "event") message.event = value;
  }

  /** Yields lines, which end with CR, LF or both, wherever the stream was cut into pieces. */
  async function* lines(body, alive) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      rest += value;
      // A CR at the end may be the first half of a line end.
      const parts = rest.split(/\r\n|\n|\r(?!$)/);
      rest = parts.pop();
      yield* parts;
    }
  }

  const pause = (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });

  /** One connection: hands over its events; returns whether the stream has ended for good. */
  async function connect(state, told) {
    const silence = new AbortController();
    const stop = () => silence.abort();
    let timer = setTimeout(stop, SILENCE);
    const alive = () => (clearTimeout(timer), (timer = setTimeout(stop, SILENCE)));
    told.signal.addEventListener("abort", stop, { once: true });
    try {
      const headers = { Accept: "text/event-stream", ...(state.last && { "Last-Event-ID": String(state.last) }) };
      const answer = await EC.session.fetch(told.url, { headers, cache: "no-store", signal: silence.signal });
      if (answer.status === OVER) return true;
      if (!answer.ok) throw Object.assign(new Error(await EC.problems.ofAnswer(answer)), { status: answer.status });
      state.failures = 0;
      told.onState("live");
      for await (const message of messages(answer.body, alive)) {
        if (message.retry !== undefined) state.pause = message.retry;
        if (message.data === undefined) continue;
        state.last = Number(message.id ?? state.last);
        if (hand(told, { seq: state.last, type: message.event }, message.data)) return true;
      }
      return false;
    } finally {
      clearTimeout(timer);
      told.signal.removeEventListener("abort", stop);
      stop();
    }
  }

  /** Hands an event over; what goes wrong with it there would go wrong again over a new connection. */
  function hand(told, event, text) {
    try {
      return told.onEvent({ ...event, data: JSON.parse(text) });
    } catch (error) {
      throw Object.assign(new Error(`An event cannot be shown: ${error.message}`), { isOwn: true, cause: error });
    }
  }

  const isFinal = (error) => error.isOwn || (error.status >= 400 && error.status < 500 && error.status !== 429);

  /**
   * Follows a run's events until they end, over as many connections as it takes.
   * @param {object} told
   * @param {string} told.url of the events
   * @param {number} told.after the last event that is known; 0 for none
   * @param {AbortSignal} told.signal ends it
   * @param {(event: {seq: number, type: string, data: object}) => boolean} told.onEvent returns whether it was the last
   * @param {(state: "live" | "waiting" | "over", detail?: {seconds: number, words: string}) => void} told.onState
   * @throws {Error} when it is no use to go on: nobody is signed in, or the service refuses
   */
  async function follow(told) {
    const state = { last: told.after, failures: 0, pause: FIRST_PAUSE };
    while (!told.signal.aborted) {
      let words = "The connection ended.";
      try {
        if (await connect(state, told)) return told.onState("over");
      } catch (error) {
        if (error instanceof EC.session.SignInNeeded || isFinal(error)) throw error;
        words = error.name === "AbortError" ? "The service was silent." : EC.problems.words(error);
      }
      if (told.signal.aborted) return undefined;
      const wait = Math.min(state.pause * 2 ** state.failures++, LONGEST_PAUSE);
      told.onState("waiting", { seconds: Math.round(wait / 1000), words });
      await pause(wait, told.signal);
    }
    return undefined;
  }

  EC.events = { follow, messages };
})();
