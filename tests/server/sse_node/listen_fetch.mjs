// Prints every event of a stream as a line of JSON, and ends after a run's last one.
import { createRequire } from "node:module";

// The library is made for browsers.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = createRequire(import.meta.url)("@microsoft/fetch-event-source");

const LAST = ["run.succeeded", "run.failed", "run.canceled"];
const done = new AbortController();

await fetchEventSource(process.argv[2], {
  signal: done.signal,
  onmessage(message) {
    if (!message.event) return; // "retry:" comes as a message of its own
    console.log(JSON.stringify({ id: message.id, event: message.event, data: JSON.parse(message.data) }));
    if (LAST.includes(message.event)) done.abort();
  },
  onclose() {
    // A stream that ended before the run did is to be opened again.
    if (!done.signal.aborted) throw new Error("closed");
  },
});
