// A bundle that lies in a folder as a stream of members, in the order of an archive (bundle/folder.py).
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const PIECE = 2 << 20;

  /** Return a function that gives the next piece of a file, and null after the last. */
  function content(file, signal) {
    let place = 0;
    return async () => {
      if (place >= file.size) return null;
      const end = Math.min(place + PIECE, file.size);
      const piece = await V.readable(file.read(place, end, { signal }), signal);
      if (piece.length !== end - place) throw new V.UnreadableError("a file of the folder changed while it was read", "Try again.");
      place = end;
      await EC.turn.due(signal);
      return piece;
    };
  }

  function memberOf(files, name, signal) {
    const file = files.get(name);
    if (!file) throw new V.ContainerError(`${name} is missing`);
    return { name, size: file.size, next: content(file, signal) };
  }

  /** Return the payload that export.json lists: read again only after the caller could check its signature. */
  async function payloadOf(files) {
    const file = files.get(V.envelope.MANIFEST);
    const data = await V.readable(file.read(0, Math.min(file.size, V.envelope.MAX_MANIFEST)));
    return (await V.manifest.parse(data)).members.map(({ path }) => path);
  }

  /**
   * Yield the members; throws when a file is missing, or there is one that export.json does not list.
   * @param {Map<string, {size: number, read: Function}>} files by their names below the folder
   */
  async function* members(files, signal) {
    const { FIRST, LAST, MANIFEST } = V.envelope;
    if (!files.has(MANIFEST)) {
      throw new V.UnreadableError(
        `the folder is no bundle: ${MANIFEST} is not in it`,
        "Choose a bundle's file, or its extracted folder.",
      );
    }
    for (const name of FIRST) yield memberOf(files, name, signal);
    const listed = await payloadOf(files);
    const known = new Set([...FIRST, ...listed, ...LAST]);
    const extra = [...files.keys()].filter((name) => !known.has(name)).sort();
    if (extra.length) throw new V.ContainerError(`${extra[0]} is not listed in export.json`);
    for (const name of [...listed, ...LAST]) yield memberOf(files, name, signal);
  }

  V.folder = { members };
})();
