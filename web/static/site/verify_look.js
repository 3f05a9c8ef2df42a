// A look into the bundle that was just verified, or that its reader wants to see all the same.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const MOST = 12;
  const COUNTS = [["byKind", "Kind"], ["bySource", "Source"], ["byEcosystem", "Ecosystem"], ["bySeverity", "Stated severity"]];

  const SAID = {
    verified: "What you see is read from the file that was verified, and every record is checked against its signed list.",
    other: "This bundle was not verified. What you see is what it says of itself, and nobody vouches for it.",
  };

  function fact(name, value) {
    const { h } = EC.dom;
    return h("div", {}, h("dt", {}, name), h("dd", {}, value));
  }

  function facts({ manifest }) {
    const { h, number, size, time, visible } = EC.dom;
    const { profile, counts, members } = manifest;
    const bytes = members.reduce((sum, member) => sum + member.bytes, 0);
    return h("dl", { class: "facts" }, [
      fact("Profile", `${visible(profile.id)}, revision ${number(profile.revision)}, ${visible(profile.kind)}:${visible(profile.variant)}`),
      fact("As of", time(manifest.asOf)),
      fact("Records", number(counts.records)),
      fact("Members", `${number(members.length)}, ${size(bytes)}`),
      fact("contentDigest", h("span", { class: "digest" }, manifest.contentDigest)),
    ]);
  }

  function countRow([name, count]) {
    const { h, number, visible } = EC.dom;
    return h("tr", {}, h("th", { scope: "row" }, visible(name) || "(none)"), h("td", { class: "num" }, number(count)));
  }

  function countTable(counts, [field, title]) {
    const { h, number } = EC.dom;
    const rows = Object.entries(counts[field]).sort(([, left], [, right]) => right - left);
    if (!rows.length) return null;
    const more = rows.length - MOST;
    return h("table", { class: "counted" }, h("caption", {}, title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), h("th", { scope: "col", class: "num" }, "Records"))),
      h("tbody", {}, rows.slice(0, MOST).map(countRow)),
      more > 0 && h("tfoot", {}, h("tr", {}, h("td", { colspan: 2 }, `and ${number(more)} more`))));
  }

  function memberTable({ manifest }) {
    const { number, size } = EC.dom;
    const columns = [
      { key: "path", title: "Member", primary: true, width: "minmax(0, 3fr)" },
      { key: "records", title: "Records", number: true, text: ({ records }) => (records === undefined ? "" : number(records)) },
      { key: "bytes", title: "Size", number: true, text: ({ bytes }) => size(bytes) },
      { key: "sha256", title: "SHA-256", width: "minmax(0, 3fr)", wide: true },
    ];
    return EC.table.create({ id: "look-members", caption: "Everything that export.json signs", columns, rows: manifest.members, unit: "members" });
  }

  async function open(chosen, verdict) {
    const bundle = await EC.container.open(EC.source.of(chosen));
    const digest = await EC.hash.sha256Hex(bundle.manifestBytes);
    if (verdict.verdict === "verified" && digest !== verdict.manifestSha256) {
      throw new EC.BundleError("the file changed since it was verified", { advice: "Verify it again." });
    }
    return bundle;
  }

  /**
   * Show a bundle in an element.
   * @param {Element} element emptied first
   * @param {{file?: File, folder?: File[]}} chosen as EC.choose gives it
   * @param {object} verdict of EC.verify; {} when nothing was verified
   * @returns {Promise<() => void>} a function that ends what still reads it
   */
  async function look(element, chosen, verdict) {
    const { h, visible } = EC.dom;
    const remark = h("p", { class: verdict.verdict === "verified" ? "note" : "remark unverified" }, SAID[verdict.verdict] ?? SAID.other);
    try {
      const bundle = await open(chosen, verdict);
      const records = h("div", {});
      const counts = COUNTS.map((each) => countTable(bundle.manifest.counts, each));
      element.replaceChildren(remark, facts(bundle), h("h3", {}, "Records"), records,
        h("h3", {}, "Counts"), h("div", { class: "counteds" }, counts.filter(Boolean)),
        h("h3", {}, "Members"), memberTable(bundle).element);
      const file = bundle.layout === "dir" ? "." : bundle.name;
      return EC.records?.attach(records, bundle, { file }).stop ?? (() => {});
    } catch (error) {
      element.replaceChildren(h("p", { class: "wrong", role: "alert" }, `${visible(error.message)}. ${visible(error.advice ?? "")}`));
      return () => {};
    }
  }

  EC.verifyLook = look;
})();
