// Runs and bundles in a windowed table, narrowed by words, by value and by time: all on the overview, a profile's on its page.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  function named(row) {
    const { h, visible } = EC.dom;
    const page = EC.known.pageOf(row);
    return page ? h("a", { href: page }, visible(row.name)) : h("span", {}, visible(row.name));
  }

  const state = (row) => EC.dom.h("span", { class: `outcome ${row.status}` }, row.status);

  /** A time to the minute; to the second it stands in `datetime`, and in the reader's zone in the title. */
  function moment(iso) {
    return iso ? EC.dom.h("time", { datetime: iso, title: EC.dom.local(iso) }, iso.slice(0, 16).replace("T", " ")) : "";
  }

  const whole = (value) => (value === null ? "" : EC.dom.number(value));

  /** Columns of the table; those that no row fills are left out. `profile`: the one that all rows are of, if so. */
  function columns(rows, profile) {
    const says = (field) => rows.some((row) => row[field]);
    const { size } = EC.dom;
    return [
      { key: "name", title: "Run or bundle", primary: true, cell: named, width: "minmax(10.25rem, 1.4fr)" },
      { key: "status", title: "Status", facet: true, cell: state, width: "6rem" },
      !profile && { key: "profile", title: "Profile", facet: true, width: "minmax(0, 1.2fr)" },
      says("tenant") && { key: "tenant", title: "Tenant", facet: true, wide: true, width: "5.5rem" },
      says("kind") && { key: "kind", title: "Kind", facet: true, wide: true, width: "6rem" },
      { key: "time", title: "Time (UTC)", value: EC.known.timeOf, cell: (row) => moment(EC.known.timeOf(row)), descending: true, width: "9rem" },
      { key: "records", title: "Records", number: true, text: (row) => whole(row.records), descending: true, width: "5.5rem" },
      { key: "bytes", title: "Size", number: true, text: (row) => (row.bytes === null ? "" : size(row.bytes)), descending: true, width: "5.5rem" },
      says("remark") && { key: "remark", title: "Remark", wide: true, sort: false, width: "minmax(0, 1.4fr)" },
    ].filter(Boolean);
  }

  /** Columns that exports have and the table has no room for. */
  const more = ["created", "finished", "as_of", "created_by", "revision", "content_digest", "layout"];

  function day(label, id, changed) {
    const input = EC.dom.h("input", { type: "date", id, onchange: changed });
    return [EC.dom.h("label", { for: input.id }, label), input];
  }

  /** Two days that narrow the table; both are in UTC, and count as whole days. */
  function range(table) {
    const { id } = table.options;
    const key = (name) => `${id}.${name}`;
    const write = (name) => (event) => EC.state.set({ [key(name)]: event.target.value });
    const [from, to] = [day("From", `${id}-from`, write("from")), day("To", `${id}-to`, write("to"))];
    const read = () => {
      const [first, last] = ["from", "to"].map((name) => EC.state.get()[key(name)] ?? "");
      [from[1].value, to[1].value] = [first, last];
      const within = (row) => {
        const at = EC.known.timeOf(row).slice(0, 10);
        return (!first || (at !== "" && at >= first)) && (!last || (at !== "" && at <= last));
      };
      table.narrow(first || last ? within : null, [first && `from ${first}`, last && `to ${last}`].filter(Boolean).join(" "));
    };
    EC.state.onchange((now, before) => ["from", "to"].some((name) => now[key(name)] !== before[key(name)]) && read());
    read();
    return EC.dom.h("span", { class: "range", role: "group", "aria-label": "Time range, in UTC" }, ...from, ...to);
  }

  function create(rows, profile) {
    const shown = columns(rows, profile);
    const hidden = more.map((key) => ({ key, title: key, hidden: true, words: true }));
    const table = EC.table.create({
      id: profile ? "profile-runs" : "runs",
      caption: "The time is when it was finished, else when it was made, else what it is as of. Size is that of the archive.",
      columns: [...shown, ...hidden],
      rows,
      unit: "entries",
      sort: "-time",
      filter: profile ? "run, digest, who" : "run, profile, digest, who",
      empty: "Nothing matches. Take a word or a date away.",
    });
    table.element.querySelector(".facets").after(range(table));
    return table;
  }

  function loading(place) {
    const kept = Array.from(place.childNodes);
    place.classList.add("loading");
    place.replaceChildren(EC.dom.h("p", { class: "note", role: "status" }, "Loading all of them …"));
    return (error) => {
      place.classList.remove("loading");
      if (!error) return;
      const said = EC.dom.h("p", { class: "remark", role: "alert" }, `${error.message}. Shown are the newest only.`);
      place.replaceChildren(said, ...kept);
    };
  }

  EC.start("overview", async (page) => {
    const place = document.getElementById("runs-place");
    if (!["overview", "profile"].includes(page.page) || !place) return;
    const done = loading(place);
    try {
      const { profile } = place.dataset;
      const all = await EC.known.all();
      place.replaceChildren(create(profile ? all.filter((row) => row.profile === profile) : all, profile).element);
      done();
    } catch (error) {
      done(error);
    }
  });
})();
