// Summaries of SBOMs: what was put together from what.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { at, text, shown, objects, texts, unique, isObject } = EC.facts;
  const { readers, fact, reference } = EC.summary;

  function cyclonedxLicence(component) {
    const stated = objects(component, "licenses").map((one) => text(one, "expression") || text(one, "license", "id") || text(one, "license", "name"));
    return unique(stated).join(", ");
  }

  function cyclonedxComponent(one) {
    const licence = cyclonedxLicence(one);
    return { name: [text(one, "group"), text(one, "name")].filter(Boolean).join("/"), version: shown(one, "version"), type: text(one, "type"), purl: text(one, "purl"), licence };
  }

  function cyclonedxTools(value) {
    const stated = at(value, "metadata", "tools");
    const listed = [...objects(stated, "components"), ...objects(stated, "services"), ...objects(value, "metadata", "tools")];
    return unique(listed.map((one) => [text(one, "vendor"), text(one, "name"), shown(one, "version")].filter(Boolean).join(" "))).join("; ");
  }

  function cyclonedx(value) {
    const described = at(value, "metadata", "component");
    const components = EC.facts.cyclonedxComponents(value).slice(isObject(described) ? 1 : 0);
    const holders = [value, described, ...objects(value, "vulnerabilities")];
    const advisories = objects(value, "vulnerabilities").flatMap((one) => [...objects(one, "advisories"), at(one, "source")]);
    const external = holders.flatMap((one) => objects(one, "externalReferences"));
    return {
      description: text(described, "description"),
      severities: EC.summary.cyclonedxSeverities(value),
      statements: EC.summary.cyclonedxStatements(value),
      components: components.map(cyclonedxComponent),
      references: distinct([
        ...external.map((one) => reference(text(one, "url"), text(one, "type"), text(one, "comment"))),
        ...advisories.map((one) => reference(text(one, "url"), "advisory", text(one, "title") || text(one, "name"))),
      ]),
      dates: [fact("Made", text(value, "metadata", "timestamp"))],
      facts: [
        fact("Tools", cyclonedxTools(value)),
        fact("Supplier", text(value, "metadata", "supplier", "name")),
        fact("Authors", unique(objects(value, "metadata", "authors").map((one) => text(one, "name"))).join(", ")),
        fact("Lifecycles", unique(objects(value, "metadata", "lifecycles").map((one) => text(one, "phase") || text(one, "name"))).join(", ")),
        fact("Version", shown(value, "version")),
        fact("Dependencies", counted(objects(value, "dependencies").flatMap((one) => texts(one, "dependsOn")).length, "edge")),
        fact("Services", unique(objects(value, "services").map((one) => text(one, "name"))).join(", ")),
      ],
    };
  }

  const counted = (count, unit) => (count ? `${EC.figures.number(count)} ${unit}${count === 1 ? "" : "s"}` : "");
  const distinct = (found) => [...new Map(found.map((one) => [one.url, one])).values()];
  const stated = (word) => (["NOASSERTION", "NONE"].includes(word) ? "" : word);

  function spdx2Package(one) {
    const licence = stated(text(one, "licenseConcluded")) || stated(text(one, "licenseDeclared"));
    const purls = EC.facts.spdx2Purls(one);
    return { name: text(one, "name"), version: shown(one, "versionInfo"), type: text(one, "primaryPackagePurpose").toLowerCase(), purl: purls.find(Boolean) ?? "", licence };
  }

  function spdx2(value) {
    const packages = objects(value, "packages");
    const pages = packages.flatMap((one) => [text(one, "homepage"), text(one, "downloadLocation")]);
    return {
      description: text(value, "comment"),
      components: packages.map(spdx2Package),
      references: unique(pages.filter((url) => /^https?:/i.test(url))).map((url) => reference(url, "package")),
      dates: [fact("Made", text(value, "creationInfo", "created"))],
      facts: [
        fact("Creators", texts(value, "creationInfo", "creators").join("; ")),
        fact("Licence of the document", text(value, "dataLicense")),
        fact("Files", counted(objects(value, "files").length, "file")),
        fact("Relationships", counted(objects(value, "relationships").length, "relationship")),
      ],
    };
  }

  function spdx3Package(one) {
    const [purl = ""] = EC.facts.spdx3Purls(one).filter(Boolean);
    return { name: text(one, "name"), version: shown(one, "software_packageVersion"), type: text(one, "software_primaryPurpose"), purl, licence: "" };
  }

  function spdx3(value) {
    const elements = EC.facts.spdx3Elements(value);
    const ofType = (type) => elements.filter((one) => text(one, "type") === type);
    const [document] = ofType("SpdxDocument");
    const packages = ofType("software_Package");
    const info = ofType("CreationInfo")[0] ?? at(document, "creationInfo");
    const agents = new Map(elements.map((one) => [text(one, "spdxId"), text(one, "name")]));
    const creators = texts(info, "createdBy").map((id) => agents.get(id) || id);
    const pages = packages.flatMap((one) => [text(one, "software_homePage"), text(one, "software_downloadLocation")]);
    return {
      description: text(document, "description") || text(document, "comment"),
      components: packages.map(spdx3Package),
      references: unique(pages.filter((url) => /^https?:/i.test(url))).map((url) => reference(url, "package")),
      dates: [fact("Made", text(info, "created"))],
      facts: [
        fact("Creators", unique(creators).join("; ")),
        fact("Elements", counted(elements.length, "element")),
        fact("Files", counted(ofType("software_File").length, "file")),
        fact("Relationships", counted(elements.filter((one) => text(one, "relationshipType")).length, "relationship")),
      ],
    };
  }

  for (const name of ["cyclonedx", "cyclonedx-vex", "cyclonedx-vdr"]) readers[name] = cyclonedx;
  Object.assign(readers, { spdx2, spdx3 });
  Object.assign(EC.summary, { counted });
})();
