// Prints every event of a stream as a line of JSON, and ends after a run's last one, or when told that there is none.
import { EventSource } from "eventsource";

const LAST = ["run.succeeded", "run.failed", "run.canceled"];
const [url, from] = process.argv.slice(2);
const withHeader = (input, init) =>
  fetch(input, from && !init.headers["Last-Event-ID"] ? { ...init, headers: { ...init.headers, "Last-Event-ID": from } } : init);
const source = new EventSource(url, { fetch: withHeader });

for (const type of ["run.accepted", "run.progress", ...LAST]) {
  source.addEventListener(type, (event) => {
    console.log(JSON.stringify({ id: event.lastEventId, event: type, data: JSON.parse(event.data) }));
    if (LAST.includes(type)) source.close();
  });
}
source.addEventListener("error", (event) => {
  if (source.readyState === EventSource.CLOSED) console.log(JSON.stringify({ closed: event.code }));
});
