// Terms: what the search index knows of a record, and what a query asks of it; the same rules as bundle/terms.py.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  /** White space, as str.split() of Python has it: \s would also part at U+FEFF, and not at these of ASCII and U+0085. */
  const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
  const WORD = /[0-9a-z\u0080-\u{10ffff}]{2,}/gu;

  /** Return a text as terms have it: A to Z as a to z, and everything else as it is. */
  const folded = (text) => text.replace(/[A-Z]+/g, (found) => found.toLowerCase());

  /** Return the words of a text: runs of at least two letters and digits of ASCII, or characters beyond it. */
  const words = (text) => folded(text).match(WORD) ?? [];

  /** Return a package URL without its version, qualifiers and subpath. */
  function purlWithoutVersion(purl) {
    const base = purl.split("#")[0].split("?")[0];
    const slash = base.lastIndexOf("/") + 1;
    const sign = base.lastIndexOf("@");
    return sign > slash ? base.slice(0, sign) : base;
  }

  /** Return the terms of a record, a set of texts: its identifiers, and the words of title, subject and packages. */
  function of(record) {
    const facts = EC.facts.of(record);
    const purls = facts.purls.map(folded);
    const identifiers = [facts.id, ...facts.aliases, ...facts.packages].map(folded);
    const texts = [facts.title, facts.subject, ...facts.packages].flatMap(words);
    return new Set([...identifiers, ...purls, ...purls.map(purlWithoutVersion), ...texts]);
  }

  /** Return what a query asks for: [{identifier, words}]; a record is found that has all of it. */
  function parseQuery(query) {
    const parts = [...new Set(query.split(SPACE).filter(Boolean))];
    return parts.map((part) => ({ identifier: folded(part), words: [...new Set(words(part))] }));
  }

  /** Whether a record with these terms is meant by a query that was parsed. */
  function match(terms, wanted) {
    return wanted.every(
      (part) => terms.has(part.identifier) || (part.words.length > 0 && part.words.every((word) => terms.has(word))),
    );
  }

  EC.terms = { SPACE, folded, words, purlWithoutVersion, of, parseQuery, match };
})();
