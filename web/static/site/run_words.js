/** What runs tell, in words: the same as web/run_words.py says of the events that were there when the page was made. */
(function () {
  "use strict";
  const EC = (globalThis.ExportCenter ??= {});
  const DIGITS = 16;
  const SHOWN = 2000;
  const STAGES = {
    plan: "Plan",
    adapter: "Write evidence",
    describe: "Describe",
    sign: "Sign",
    pack: "Pack",
    distribute: "Distribute",
  };

  const isCount = (value) => Number.isInteger(value);
  const amount = (data) =>
    [
      isCount(data.records) && `${EC.dom.number(data.records)} records`,
      isCount(data.bytes) && EC.dom.size(data.bytes),
    ].filter(Boolean).join(", ");

  const told = (name) => (Object.hasOwn(STAGES, name) ? STAGES[name] : (name ?? ""));
  /** Returns what people call a stage. */
  const stage = (name) => EC.dom.visible(told(name));
  const progress = (data) => (data.records ? `${told(data.phase)}: ${amount(data)}` : told(data.phase));

  function distribution(data) {
    const state = `${data.type ?? "-"} ${data.state ?? "-"}`;
    return isCount(data.sizeBytes) ? `${state}, ${EC.dom.size(data.sizeBytes)}` : state;
  }

  const EVENTS = {
    "run.accepted": ["Accepted", (data) => `profile ${data.profileId ?? "-"}`],
    "run.progress": ["Progress", progress],
    "run.signed": ["Signed", (data) => `by key ${String(data.keyId ?? "-").slice(0, DIGITS)}`],
    "run.distribution": ["Distributed", distribution],
    "run.succeeded": ["Done", amount],
    "run.failed": ["Failed", (data) => `${data.errorCode ?? "-"}: ${data.error?.message ?? ""}`],
    "run.canceled": ["Canceled", (data) => `by ${data.canceledBy ?? "-"}${data.reason ? `: ${data.reason}` : ""}`],
  };

  /** Returns an event's title and text; what others wrote in them is made visible. */
  function say(type, data) {
    const [title, words] = Object.hasOwn(EVENTS, type) ? EVENTS[type] : [type, () => ""];
    return [title, words(data)].map(EC.dom.visible);
  }

  /** Says how many events are not in the page any more; "" when all of them are. */
  function earlier(count) {
    if (!count) return "";
    const rest = count === 1 ? "1 earlier one is" : `${EC.dom.number(count)} earlier ones are`;
    return `The newest ${EC.dom.number(SHOWN)} events are shown; ${rest} left out.`;
  }

  EC.runWords = { say, stage, earlier, SHOWN };
})();
