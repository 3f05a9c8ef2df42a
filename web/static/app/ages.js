// What a reader's clock and zone say of times: how long ago, beside some, and the local time in the title of each. What
// is in a bundle knows no clock.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const SPANS = [
    [365 * 86_400, "year"],
    [30 * 86_400, "month"],
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
  ];

  /**
   * Say how long before now a time was: "3 days ago"; "" for what is no time.
   * @param {string} iso
   * @param {number} [now] milliseconds since 1970
   */
  EC.age = (iso, now = Date.now()) => {
    const seconds = (now - Date.parse(iso)) / 1000;
    if (Number.isNaN(seconds)) return "";
    const [span, unit] = SPANS.find(([least]) => Math.abs(seconds) >= least) ?? [1, "second"];
    const count = Math.floor(Math.abs(seconds) / span);
    if (unit === "second") return "just now";
    return `${count} ${unit}${count === 1 ? "" : "s"} ${seconds < 0 ? "ahead" : "ago"}`;
  };

  EC.start("ages", () => {
    for (const time of document.querySelectorAll("dd > time[datetime]")) {
      const age = EC.age(time.dateTime);
      if (!age || time.parentElement.querySelector(".ago")) continue;
      const hint = document.createElement("span");
      hint.className = "ago";
      hint.textContent = ` ${age}, by your clock`;
      time.parentElement.append(hint);
    }
  });

  EC.start("local times", () => {
    for (const time of document.querySelectorAll("time[datetime]:not([title])")) time.title = EC.dom.local(time.dateTime);
  });
})();
