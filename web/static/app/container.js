// Opening a bundle, in any layout, reading little of it.
//
//   await EC.container.open(source, {signal}) -> Bundle      source: source.js or folders.js
//
// Bundle:
//   name, layout          "tar.zst" | "zip" | "dir"
//   manifest              export.json, parsed and bounded, NOT verified (EC.verify does that)
//   manifestBytes         its bytes
//   members               Map path -> Member, all of them, in the order of an archive
//   framed                listed members that hold records or evaluations in frames, in order
//   verifiable            what EC.verify.verify takes
//   source, bytesRead     where bytes come from, and how many were moved so far
// Member:
//   path, bytes           its name and size
//   listed                its entry in export.json; null for the envelope
//   read(start, end, {signal}) -> Promise<Uint8Array>        any range; by default all of it; not verified
//   checked({signal, most})    -> Promise<Uint8Array>        all of it, compared with export.json's digest
//
// EC.container.compare(a, b, …) is in compare.js.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const { FIRST, LAST, limitOf } = EC.manifest;
  /** The most bytes of one member that are held as a whole. */
  const MOST = 64 << 20;

  const broken = (message, advice = EC.ALTERED, code = "format") => new EC.BundleError(message, { advice, code });

  class Member {
    constructor(path, bytes, listed, range) {
      this.path = path;
      this.bytes = bytes;
      this.listed = listed;
      this.range = range;
    }

    async read(start = 0, end = this.bytes, { signal } = {}) {
      if (!(0 <= start && start <= end && end <= this.bytes)) throw broken(`${this.path} ends early`);
      if (start === end) return new Uint8Array(0);
      return this.range(start, end, { signal });
    }

    async checked({ signal, most = MOST } = {}) {
      if (this.bytes > most) {
        const advice = "Read it with `export-center bundle cat`, which holds no more than it must.";
        throw broken(`${this.path} has ${this.bytes} bytes; a page reads at most ${most}`, advice, "limit");
      }
      const data = await this.read(0, this.bytes, { signal });
      if (this.listed && (await EC.hash.sha256Hex(data)) !== this.listed.sha256) {
        throw broken(`${this.path} is not the one that export.json lists`, EC.ALTERED, "digest");
      }
      return data;
    }
  }

  class Bundle {
    constructor(source, layout, manifestBytes, manifest, members) {
      this.source = source;
      this.name = source.name;
      this.layout = layout;
      this.manifestBytes = manifestBytes;
      this.manifest = manifest;
      this.members = new Map(members.map((member) => [member.path, member]));
      this.framed = manifest.members.filter((member) => member.framesSha256 !== undefined);
    }

    get bytesRead() {
      return this.source.bytesRead;
    }

    /** What EC.verify takes: the archive, or the files of the folder. Of siblings nobody can tell what else lies there. */
    get verifiable() {
      if (this.source.files !== null) return this.source;
      const files = new Map();
      for (const member of this.members.values()) files.set(member.path, { size: member.bytes, read: member.read.bind(member) });
      const size = Array.from(files.values()).reduce((sum, file) => sum + file.size, 0);
      return { name: this.name, size, files };
    }

    /** Return a member, or throw. */
    member(path) {
      const found = this.members.get(path);
      if (!found) throw broken(`the bundle has no member ${path}`, "Its other members can be read.", "missing");
      return found;
    }
  }

  /** Members of an archive are placed one after another; where each really lies is checked when it is first read. */
  class Placing {
    constructor(form, options) {
      this.form = form;
      this.options = options;
      this.end = 0;
    }

    place(name, size, listed = null) {
      const start = this.end;
      const { form } = this;
      this.end += form.span(name, size);
      if (!(this.end <= form.end)) throw broken(`${name} lies beyond the end of the file`, "It is cut off; fetch it again.");
      const body = start + form.headerSize(name, size);
      let known = null;
      return new Member(name, size, listed, async (from, to, options) => {
        known ??= this.check(name, size, start).catch((error) => ((known = null), Promise.reject(error)));
        await known;
        return form.read(body + from, body + to, options);
      });
    }

    async check(name, size, start) {
      const found = await this.form.headerAt(start);
      if (found.name !== name || found.size !== size) {
        throw broken(`the member ${found.name} of ${found.size} bytes stands where ${name} of ${size} bytes should be`);
      }
    }

    /** Place a member of the envelope, whose header says how large it is. */
    async small(name, limit) {
      const { size, ...found } = await this.form.headerAt(this.end, this.options);
      if (found.name !== name || size > limit) throw broken(`the member ${found.name} stands where ${name} should be`);
      return this.place(name, size);
    }
  }

  async function openArchive(source, options) {
    const form = await EC.forms.of(source, options);
    const placing = new Placing(form, options);
    const members = [await placing.small(FIRST[0], limitOf(FIRST[0]))];
    const bytes = await members[0].read(0, members[0].bytes, options);
    const manifest = EC.manifest.parse(bytes);
    for (const name of FIRST.slice(1)) members.push(await placing.small(name, limitOf(name, bytes.length)));
    for (const listed of manifest.members) members.push(placing.place(listed.path, listed.bytes, listed));
    // Of checksums.txt there is a line for every member: more than a manifest of the same members never takes.
    for (const name of LAST) members.push(await placing.small(name, limitOf(name, bytes.length)));
    return new Bundle(source, form.layout, bytes, manifest, members);
  }

  async function openFile(folder, { path, bytes }) {
    const file = await folder.file(path, bytes);
    if (file.size !== bytes) {
      throw broken(`${path} has ${file.size} bytes, and export.json lists ${bytes}`);
    }
    return file;
  }

  function lazily(folder, listed) {
    let opened = null;
    return new Member(listed.path, listed.bytes, listed, async (start, end, given) => {
      opened ??= openFile(folder, listed).catch((error) => ((opened = null), Promise.reject(error)));
      return (await opened).read(start, end, given);
    });
  }

  async function envelopeFile(folder, name, limit) {
    const file = await folder.file(name);
    if (file.size > limit) throw broken(`${name} has ${file.size} bytes; ${limit} are allowed`);
    return new Member(name, file.size, null, (start, end, options) => file.read(start, end, options));
  }

  async function openFolder(folder, options) {
    const first = await envelopeFile(folder, FIRST[0], limitOf(FIRST[0]));
    const bytes = await first.read(0, first.bytes, options);
    const manifest = EC.manifest.parse(bytes);
    const rest = [...FIRST.slice(1), ...LAST];
    const envelope = await Promise.all(rest.map((name) => envelopeFile(folder, name, limitOf(name, bytes.length))));
    const payload = manifest.members.map((listed) => lazily(folder, listed));
    const members = [first, ...envelope.slice(0, -LAST.length), ...payload, ...envelope.slice(-LAST.length)];
    return new Bundle(folder, "dir", bytes, manifest, members);
  }

  /** Open a bundle; no more is read than its envelope. */
  function open(source, options = {}) {
    return typeof source.file === "function" ? openFolder(source, options) : openArchive(source, options);
  }

  EC.container = { open, Bundle, Member };
})();
