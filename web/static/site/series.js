// Sizes and record counts of a profile's bundles over time: two charts, and the same values in a table.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const HEIGHT = 200;
  /** Values that go on paper; more of them are kept as CSV or JSON. */
  const PRINTED = 200;
  const HOUR = 3_600;
  const DAY = 86_400;
  const KEY = "series";
  const charts = new Set();

  const MEASURES = [
    { key: "records", title: "Records", say: (value) => EC.dom.number(Math.round(value)) },
    { key: "bytes", title: "Size", say: (value) => EC.dom.size(Math.round(value)) },
  ];

  const seconds = (row) => Date.parse(EC.known.timeOf(row)) / 1000;

  /** Profile to its good bundles with a known time, oldest first; those with most bundles come first. */
  function byProfile(rows) {
    const found = new Map();
    for (const row of rows.filter((one) => EC.known.isGood(one) && !Number.isNaN(seconds(one)))) {
      if (!found.has(row.profile)) found.set(row.profile, []);
      found.get(row.profile).push(row);
    }
    for (const list of found.values()) list.sort((a, b) => seconds(a) - seconds(b));
    return new Map([...found].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1)));
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** A time on the axis: the day; the minute or second where less than three days or less than an hour is shown. */
  function ticks(plot, splits) {
    const shown = plot.scales.x.max - plot.scales.x.min;
    const part = shown < HOUR ? [11, 19] : shown < 3 * DAY ? [5, 16] : [0, 10];
    return splits.map((at) => new Date(at * 1000).toISOString().slice(...part).replace("T", " "));
  }

  function axes(measure) {
    const line = { stroke: colour("line"), width: 1 };
    const all = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", ticks: line, grid: line };
    return [
      { ...all, values: ticks, space: 90, grid: { show: false } },
      { ...all, values: (plot, splits) => splits.map(measure.say), size: 72, space: 36 },
    ];
  }

  /** From the first bundle to the last; where there is one only, a day around it. The library would take years. */
  const wide = (times) => (times[0] === times.at(-1) ? [times[0] - DAY, times[0] + DAY] : [times[0], times.at(-1)]);
  const fromZero = (low, high) => [0, high > 0 ? high * 1.08 : 1];

  function options(measure, rows, width, told) {
    return {
      width,
      height: HEIGHT,
      padding: [null, 40, null, null],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 8 } },
      scales: { x: { time: true, range: (plot) => wide(plot.data[0]) }, y: { range: (plot, low, high) => fromZero(low, high) } },
      axes: axes(measure),
      series: [{}, { stroke: colour("fill"), width: 2, points: { show: rows.length < 200, size: 6, fill: colour("fill") } }],
      hooks: { setCursor: [(plot) => told(rows[plot.cursor.idx])] },
    };
  }

  /** What the chart shows, in a sentence, for whoever cannot see it. */
  function sentence(measure, rows) {
    const values = rows.map((row) => row[measure.key] ?? 0);
    const least = values.reduce((a, b) => Math.min(a, b));
    const most = values.reduce((a, b) => Math.max(a, b));
    const said = `${measure.say(values.at(-1))} in the latest of ${EC.dom.number(rows.length)}`;
    return `${measure.title} over time: ${said}; least ${measure.say(least)}, most ${measure.say(most)}. The table below has all values.`;
  }

  function chart(measure, rows) {
    const { h, time } = EC.dom;
    const latest = rows.at(-1);
    const place = h("div", { class: "plot", role: "img", "aria-label": sentence(measure, rows) });
    const said = h("p", { class: "note measured", "aria-hidden": true });
    const told = (row) => said.replaceChildren(time(EC.known.timeOf(row ?? latest)), `: ${measure.say((row ?? latest)[measure.key] ?? 0)}`);
    told(latest);
    const element = h("figure", { class: "series" }, h("figcaption", {}, measure.title), place, said);
    const data = [rows.map(seconds), rows.map((row) => row[measure.key])];
    const draw = () => {
      element.plot?.destroy();
      element.plot = new uplot.uPlot(options(measure, rows, place.clientWidth || 400, told), data, place);
    };
    const watch = new ResizeObserver(() => element.plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
    return { element, draw, watch: () => watch.observe(place), end: () => (watch.disconnect(), element.plot?.destroy()) };
  }

  function table(rows) {
    const { h, number, size, time } = EC.dom;
    const columns = [
      { key: "time", title: "Time", primary: true, value: EC.known.timeOf, cell: (row) => time(EC.known.timeOf(row)), descending: true, width: "12rem" },
      { key: "name", title: "Bundle", width: "minmax(0, 1fr)" },
      { key: "records", title: "Records", number: true, text: (row) => number(row.records ?? 0), descending: true, width: "7rem" },
      { key: "bytes", title: "Size", number: true, text: (row) => size(row.bytes ?? 0), descending: true, width: "7rem" },
    ];
    const made = EC.table.create({ id: KEY, caption: "The values of both charts", columns, rows, unit: "bundles", sort: "-time" });
    return h("details", { open: EC.state.asks(KEY), class: rows.length > PRINTED ? "values long" : "values" }, h("summary", {}, "The same values in a table"), made.element);
  }

  function show(place, rows) {
    for (const one of charts) one.end();
    charts.clear();
    const made = MEASURES.map((measure) => chart(measure, rows));
    place.replaceChildren(EC.dom.h("div", { class: "two" }, made.map((one) => one.element)), table(rows));
    for (const one of made) {
      charts.add(one);
      one.draw();
      one.watch();
    }
  }

  function chooser(groups, choose) {
    const { h, number, visible } = EC.dom;
    const option = ([name, rows]) => h("option", { value: name }, `${visible(name)} (${number(rows.length)})`);
    const select = h("select", { id: `${KEY}-profile`, onchange: () => EC.state.set({ [KEY]: select.value }) }, [...groups].map(option));
    const sync = () => {
      const wanted = EC.state.get()[KEY];
      select.value = groups.has(wanted) ? wanted : groups.keys().next().value;
      choose(groups.get(select.value));
    };
    EC.state.onchange((now, before) => now[KEY] !== before[KEY] && sync());
    return [h("p", { class: "tools" }, h("label", { for: select.id }, "Bundles of profile"), select), sync];
  }

  EC.start("series", async (page) => {
    const [section, place] = ["over-time", "series"].map((id) => document.getElementById(id));
    if (page.page !== "overview" || !section) return;
    section.hidden = false;
    const groups = byProfile(await EC.known.all().catch(() => []));
    section.hidden = groups.size === 0;
    if (section.hidden) return;
    const drawn = EC.dom.h("div");
    const [tools, sync] = chooser(groups, (rows) => show(drawn, rows));
    place.replaceChildren(tools, drawn);
    sync();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((one) => one.draw()));
  });
})();
