// What documents say, taken from documents that may hold anything; the same fields as evidence/formats reads.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof EC.json.Lexeme);

  /** Return what stands at a path in nested objects; undefined when there is nothing. */
  function at(value, ...path) {
    for (const key of path) {
      if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
      value = value[key];
    }
    return value;
  }

  /** Return the non-empty string at a path, or "". */
  function text(value, ...path) {
    const found = at(value, ...path);
    return typeof found === "string" ? found : "";
  }

  /** Return the non-empty string or the number at a path as text, or "": for showing. */
  function shown(value, ...path) {
    const found = at(value, ...path);
    return ["string", "number", "boolean"].includes(typeof found) || found instanceof EC.json.Lexeme ? String(found) : "";
  }

  /** Return the objects in the list at a path. */
  function objects(value, ...path) {
    const found = at(value, ...path);
    return Array.isArray(found) ? found.filter(isObject) : [];
  }

  /** Return the non-empty strings in the list at a path. */
  function texts(value, ...path) {
    const found = at(value, ...path);
    return Array.isArray(found) ? found.filter((item) => typeof item === "string" && item) : [];
  }

  /** Return some objects and all below them that are nested through lists at a key. */
  function descend(roots, key) {
    const found = [...roots];
    for (let place = 0; place < found.length; place++) {
      // Not push(...): arguments lie on the stack, and a document may have more of them than fit there.
      for (const below of objects(found[place], key)) found.push(below);
    }
    return found;
  }

  const unique = (values) => [...new Set(values.filter(Boolean))];
  const only = (values) => (values.length === 1 ? values[0] : "");
  const named = (name, version) => (name && version ? `${name}@${version}` : name);

  function osv(value) {
    const affected = objects(value, "affected");
    return {
      title: text(value, "summary"),
      aliases: texts(value, "aliases"),
      purls: affected.map((one) => text(one, "package", "purl")),
      packages: affected.map((one) => text(one, "package", "name")),
    };
  }

  function cve5Containers(value) {
    const cna = at(value, "containers", "cna");
    return [...(isObject(cna) ? [cna] : []), ...objects(value, "containers", "adp")];
  }

  function cve5(value) {
    const products = cve5Containers(value).flatMap((container) => objects(container, "affected"));
    return {
      title: text(value, "containers", "cna", "title"),
      aliases: [],
      purls: products.map((one) => text(one, "packageURL")),
      packages: products.flatMap((one) => [text(one, "packageName"), text(one, "product")]),
    };
  }

  const csafBranches = (value) => descend(objects(value, "product_tree", "branches"), "branches");

  /** Return the products of a CSAF document: {product_id, name, product_identification_helper}. */
  function csafProducts(value) {
    return [
      ...csafBranches(value).map((branch) => at(branch, "product")),
      ...objects(value, "product_tree", "full_product_names"),
      ...objects(value, "product_tree", "relationships").map((one) => at(one, "full_product_name")),
    ].filter(isObject);
  }

  function csaf(value) {
    const products = csafProducts(value);
    const helpers = products.map((one) => at(one, "product_identification_helper"));
    const purls = unique(helpers.flatMap((one) => [text(one, "purl"), ...texts(one, "purls")]));
    const branches = csafBranches(value).filter((one) => text(one, "category") === "product_name");
    const vulnerabilities = objects(value, "vulnerabilities");
    const ids = vulnerabilities.flatMap((one) => [text(one, "cve"), ...objects(one, "ids").map((id) => text(id, "text"))]);
    return {
      title: text(value, "document", "title"),
      subject: only(purls),
      aliases: [...texts(value, "document", "tracking", "aliases"), ...ids],
      purls,
      packages: [...products, ...branches].map((one) => text(one, "name")),
    };
  }

  /** Return the identifiers of OpenVEX components: strings up to version 0.0.x, then objects. */
  function openvexNames(holder, key) {
    const inner = objects(holder, key);
    const purls = (one) => [text(one, "@id") || text(one, "identifiers", "purl"), text(one, "identifiers", "purl")];
    return [...texts(holder, key), ...inner.flatMap(purls)];
  }

  function openvexVulnerability(statement) {
    const stated = at(statement, "vulnerability");
    if (typeof stated === "string") return { name: stated, aliases: [] };
    return { name: text(stated, "name") || text(stated, "@id"), aliases: texts(stated, "aliases") };
  }

  function openvex(value) {
    const statements = objects(value, "statements");
    const products = unique(statements.flatMap((one) => openvexNames(one, "products")));
    const holders = statements.flatMap((one) => [one, ...objects(one, "products")]);
    const nested = holders.flatMap((one) => openvexNames(one, "subcomponents"));
    const stated = statements.map(openvexVulnerability);
    return {
      title: "",
      subject: only(products),
      aliases: stated.flatMap((one) => [one.name, ...one.aliases]),
      purls: [...products, ...nested].filter((name) => name.startsWith("pkg:")),
      packages: [],
    };
  }

  /** Return the components of a CycloneDX document, that which it describes first. */
  function cyclonedxComponents(value) {
    const described = at(value, "metadata", "component");
    return descend([...(isObject(described) ? [described] : []), ...objects(value, "components")], "components");
  }

  function cyclonedx(value) {
    const described = at(value, "metadata", "component");
    const components = cyclonedxComponents(value);
    return {
      title: text(described, "name"),
      subject: text(described, "purl") || named(text(described, "name"), text(described, "version")),
      aliases: objects(value, "vulnerabilities").map((one) => text(one, "id")),
      purls: components.map((one) => text(one, "purl")),
      packages: components.map((one) => text(one, "name")),
    };
  }

  const tools = { isObject, at, text, shown, objects, texts, descend, unique, only, named };
  const readers = { osv, cve5, csaf, "csaf-vex": csaf, openvex };
  for (const name of ["cyclonedx", "cyclonedx-vex", "cyclonedx-vdr"]) readers[name] = cyclonedx;
  const parts = { cve5Containers, csafProducts, openvexNames, openvexVulnerability, cyclonedxComponents };

  EC.facts = { ...tools, ...parts, readers };
})();
