// The bundle's page: filtering, sorting and copying. It says everything without this script.
"use strict";
(function () {
  const EC = window.ExportCenter;
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const status = () => document.getElementById("status");

  function applier(rows, filter) {
    const shown = document.getElementById("shown");
    return () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let visible = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        visible += row.hidden ? 0 : 1;
      }
      shown.textContent = visible === rows.length ? `${rows.length} members` : `${visible} of ${rows.length} members`;
      document.getElementById("none").hidden = visible > 0;
    };
  }

  function compare(column, numeric) {
    return (a, b) => {
      const left = a.cells[column].dataset.value;
      const right = b.cells[column].dataset.value;
      if (numeric) return Number(left) - Number(right);
      return left < right ? -1 : left > right ? 1 : 0;
    };
  }

  function sort(table, rows, head) {
    const descending = head.getAttribute("aria-sort") === "ascending";
    all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const order = compare(head.cellIndex, head.dataset.sort === "number");
    rows.sort((a, b) => (descending ? order(b, a) : order(a, b)));
    table.tBodies[0].append(...rows);
  }

  function sortable(table, rows, head) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(table, rows, head));
    head.replaceChildren(button);
  }

  EC.start("members", () => {
    const table = document.getElementById("member-table");
    if (!table) return;
    const rows = Array.from(table.tBodies[0].rows);
    const filter = document.getElementById("filter");
    const apply = applier(rows, filter);
    all("th[data-sort]", table).forEach((head) => sortable(table, rows, head));
    all(".tools").forEach((tools) => (tools.hidden = false));
    filter.addEventListener("input", apply);
    filter.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      filter.value = "";
      apply();
    });
    apply();
  });

  function selectText(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  function copied(button, done) {
    button.textContent = done ? "Copied" : "Selected";
    status().textContent = done ? "Copied." : "Selected; copy with the keyboard.";
    window.setTimeout(() => {
      button.textContent = "Copy";
      status().textContent = "";
    }, 2000);
  }

  function copy(button) {
    const element = document.getElementById(button.dataset.copy);
    const fallBack = () => {
      selectText(element);
      copied(button, document.execCommand("copy"));
    };
    if (!navigator.clipboard) return fallBack();
    return navigator.clipboard.writeText(element.textContent).then(() => copied(button, true), fallBack);
  }

  /** Parts by others have a place each in the page; where their script is missing, the place stays empty. */
  EC.start("records", () => {
    const place = document.getElementById("records-here");
    return place && EC.records?.attach(place);
  });

  EC.start("copying", () => {
    all("button.copy").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    });
  });

  window.addEventListener("beforeprint", () => all("details").forEach((details) => (details.open = true)));
})();
