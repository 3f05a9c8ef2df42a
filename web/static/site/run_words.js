/** What runs tell, in words: the same as web/run_words.py says of the events that were there when the page was made. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const DIGITS = 16;
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

  const stage = (name) => STAGES[name] ?? name ?? "";
  const progress = (data) => (data.records ? `${stage(data.phase)}: ${amount(data)}` : stage(data.phase));

  function distribution(data) {
    const told = `${data.type ?? "-"} ${data.state ?? "-"}`;
    return isCount(data.sizeBytes) ? `${told}, ${EC.dom.size(data.sizeBytes)}` : told;
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

  /** Returns an event's title and text. */
  function say(type, data) {
    const [title, words] = EVENTS[type] ?? [type, () => ""];
    return [title, words(data)];
  }

  EC.runWords = { say, stage };
})();
