// Searching records inside a bundle, reading only the frames that can hold them (docs/format.md, "Search index").
//
//   EC.search.search(bundle, query, {member, signal, progress}) -> async iterator of Hit (lookup.js)
//       Records that have every word of the query: as an identifier (id, alias, purl, package) or as words of title,
//       subject and package names; A-Z is a-z. Whole words only: the index knows hashes, so the *beginning* of an id
//       finds nothing here. Say so, and offer `scan`.
//   EC.search.scan(bundle, {text, member, signal, progress})    -> async iterator of Hit
//       Reads everything. Records in whose id, aliases, purls, packages, title or subject every word of the text occurs,
//       also inside of words.
//   EC.search.available(bundle, member) -> whether there is a search index, of one member or of all
//   EC.search.cost(bundle, member)      -> {frames, bytes}: what a scan reads
//
// member     path of one framed member; without it all that have records (evaluations are none), in order
// progress   called with {looked, frames, hits, skipped: [{member, frame, bytes}], unread, bytesRead} as frames are read;
//            the same object each time. What is skipped is larger than a page holds, and `unread` records are such that
//            their documents could not be read down: say so, they may be hits.
// Hits come in the order of members, frames and lines. Whoever stops iterating, or aborts, reads no further.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const TERMS = { row: 8, page: 65_536, suffix: ".terms" };
  const EVALUATIONS = "data/policy/evaluations.jsonl.zst";
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  /** Escapes that may hide an ASCII letter or digit from a look at the raw line. */
  const HIDES = /\\u00[2-7]/;

  function stem(path) {
    return EC.manifest.stem(path)?.replace("indexes/", "indexes/search/") ?? null;
  }

  const hasTerms = (bundle, path) => bundle.members.has(`${stem(path)}.terms`) && bundle.members.has(`${stem(path)}.root`);

  function paths(bundle, member) {
    if (member) return [bundle.member(member).path];
    return bundle.framed.map((listed) => listed.path).filter((path) => path !== EVALUATIONS);
  }

  const available = (bundle, member) => paths(bundle, member).length > 0 && paths(bundle, member).every((path) => hasTerms(bundle, path));

  /** Return the numbers of the frames that have a term. */
  async function framesOf(index, term, options) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, EC.hash.crc32(encoder.encode(term)));
    const found = new Set();
    for await (const row of index.find(prefix, options)) found.add(new DataView(row.buffer, row.byteOffset).getUint32(4));
    return found;
  }

  const both = (left, right) => (left === null ? right : new Set([...left].filter((frame) => right.has(frame))));

  /** Frames that have one part of a query: its identifier, or all of its words. */
  async function framesOfPart(index, part, options) {
    const found = await framesOf(index, part.identifier, options);
    if (part.words.length === 1 && part.words[0] === part.identifier) return found;
    let rest = null;
    for (const word of part.words) {
      rest = both(rest, await framesOf(index, word, options));
      if (!rest.size) break;
    }
    return new Set([...found, ...(rest ?? [])]);
  }

  async function candidates(bundle, path, wanted, options) {
    const index = await EC.lookup.paged(bundle, stem(path), TERMS, options);
    let found = null;
    for (const part of wanted) {
      found = both(found, await framesOfPart(index, part, options));
      if (!found.size) return [];
    }
    return [...(found ?? [])].sort((left, right) => left - right).map((frame) => ({ member: path, frame }));
  }

  /** Return a quick look at a raw line that may say yes too often, and never no where the record has the words. */
  function looker(words) {
    const runs = [...new Set(words.flatMap((word) => word.match(/[a-z0-9]+/g) ?? []))];
    return (text) => {
      const low = text.toLowerCase();
      return runs.every((run) => low.includes(run)) || HIDES.test(text);
    };
  }

  function plainOrError(bundle, place, signal) {
    // Asked for ahead: an error is thrown when its turn comes, not when nobody looks.
    return EC.frames.plain(bundle, place.member, place.frame, { signal }).then((plain) => ({ plain }), (error) => ({ error }));
  }

  /** Yield what frames hold, one read ahead of the other; those that are too large are put down as skipped. */
  async function* frames(bundle, places, told, signal) {
    let next = places.length ? plainOrError(bundle, places[0], signal) : null;
    for (let number = 0; number < places.length; number++) {
      const { plain, error } = await next;
      next = number + 1 < places.length ? plainOrError(bundle, places[number + 1], signal) : null;
      if (error?.code === "limit") told.skipped.push({ ...places[number], bytes: await plainBytes(bundle, places[number]) });
      else if (error) throw error;
      else yield { place: places[number], plain };
      told.step();
    }
  }

  async function plainBytes(bundle, place) {
    return (await EC.frames.table(bundle, place.member)).row(place.frame).plainBytes;
  }

  /** Whether a record is meant; one whose document cannot be read down is counted, and keeps nobody from the others. */
  function meant(hit, means, told) {
    try {
      return means(hit.record);
    } catch {
      told.unread += 1;
      return false;
    }
  }

  /** Yield the records of frames that a look at the line and a look at the record let through. */
  async function* matching(bundle, places, { look, means, told, signal }) {
    for await (const { place, plain } of frames(bundle, places, told, signal)) {
      for (const [offset, line] of EC.frames.lines(plain)) {
        if (EC.turn.late()) await EC.turn.due(signal);
        if (!look(decoder.decode(line))) continue;
        const hit = EC.lookup.hit(place.member, place.frame, offset, line);
        if (!meant(hit, means, told)) continue;
        told.hits += 1;
        yield hit;
      }
    }
  }

  function teller(bundle, total, progress) {
    const said = { looked: 0, frames: total, hits: 0, skipped: [], unread: 0, bytesRead: bundle.bytesRead };
    const step = () => {
      said.looked += 1;
      said.bytesRead = bundle.bytesRead;
      progress?.(said);
    };
    Object.defineProperty(said, "step", { value: step });
    progress?.(said);
    return said;
  }

  async function* search(bundle, query, { member, signal, progress } = {}) {
    const wanted = EC.terms.parseQuery(query);
    const searched = paths(bundle, member);
    // Some of the members would be some of the answer: that would not be told from all of it.
    if (!searched.length || !searched.every((path) => hasTerms(bundle, path))) {
      const advice = "Look records up by their exact id, or read all of it (EC.search.scan).";
      throw new EC.BundleError("this bundle has no search index", { advice, code: "missing" });
    }
    const places = [];
    for (const path of wanted.length ? searched : []) {
      for (const place of await candidates(bundle, path, wanted, { signal })) places.push(place);
    }
    const look = looker(wanted.map((part) => part.identifier));
    const means = (record) => EC.terms.match(EC.terms.of(record), wanted);
    yield* matching(bundle, places, { look, means, told: teller(bundle, places.length, progress), signal });
  }

  async function allPlaces(bundle, member, options) {
    const places = [];
    for (const path of paths(bundle, member)) {
      const { length } = await EC.frames.table(bundle, path, options);
      for (let frame = 0; frame < length; frame++) places.push({ member: path, frame });
    }
    return places;
  }

  /** The texts of a record that a scan looks into. */
  function texts(record) {
    const facts = EC.facts.of(record);
    return [facts.id, facts.title, facts.subject, ...facts.aliases, ...facts.purls, ...facts.packages].join("\n");
  }

  async function* scan(bundle, { text, member, signal, progress } = {}) {
    const words = EC.terms.folded(text).split(EC.terms.SPACE).filter(Boolean);
    const places = words.length ? await allPlaces(bundle, member, { signal }) : [];
    const means = (record) => {
      const folded = EC.terms.folded(texts(record));
      return words.every((word) => folded.includes(word));
    };
    yield* matching(bundle, places, { look: looker(words), means, told: teller(bundle, places.length, progress), signal });
  }

  function cost(bundle, member) {
    const read = paths(bundle, member).map((path) => bundle.member(path));
    const tables = read.map(({ path }) => bundle.member(`${EC.manifest.stem(path)}.frames`));
    const sum = (members) => members.reduce((total, { bytes }) => total + bytes, 0);
    return { frames: sum(tables) / 64, bytes: sum(read) + sum(tables) };
  }

  EC.search = { search, scan, available, cost };
})();
