// Verification: whether bytes from anywhere are a whole, unaltered bundle of somebody the analyst trusts.
// The steps, their order and their numbers are those of docs/format.md, "Verification", and of bundle/verify.py.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const ALTERED = "The bundle was altered or damaged after it was signed; fetch it again, and tell its sender if it stays so.";
  const SIGNED = 2;
  const PAYLOAD = [5, 6, 7, 8];
  const REPORT = 100;

  const failed = (step, member, message, advice = ALTERED) => new V.VerificationError(step, member, message, advice);

  class Verification {
    constructor(source, keys, { signal, report }) {
      Object.assign(this, { source, keys, signal, report, digests: new Map(), member: "", bytes: 0, told: 0, size: source.size });
      this.checks = new V.ContentChecks(signal);
    }

    begin(...steps) {
      steps.forEach((step) => this.report({ kind: "step", step, state: "running" }));
    }

    pass(step, note = "") {
      this.report({ kind: "step", step, state: "passed", note });
    }

    progress(name, size) {
      this.bytes += size;
      if (this.member === name && performance.now() - this.told < REPORT) return;
      Object.assign(this, { member: name, told: performance.now() });
      this.report({ kind: "progress", member: name, bytes: this.bytes, total: this.size });
    }

    async members() {
      if (this.source.files) return [V.folder.members(this.source.files, this.signal), "dir"];
      const incoming = new V.Incoming(this.source, this.signal);
      await V.beginning.check(incoming, this.source.name);
      if (await V.zip.isZip(incoming)) return [V.zip.members(incoming), "zip"];
      return [V.tar.members(incoming), "tar.zst"];
    }

    async run() {
      this.begin(1);
      const [members, layout] = await this.members();
      const files = {};
      for (const name of V.envelope.FIRST.slice(0, SIGNED)) files[name] = await this.small(await this.expect(members, name, 1), 1);
      const { manifest, key } = await this.checkSigned(files);
      this.manifestSha256 = this.digests.get(V.envelope.MANIFEST);
      this.begin(4);
      const size = files[V.envelope.MANIFEST].length;
      for (const name of V.envelope.FIRST.slice(SIGNED)) {
        files[name] = await this.small(await this.expect(members, name, 1), 1, V.envelope.limitOf(name, size));
      }
      await this.checkOthers(files, manifest, key);
      await this.checkPayload(members, manifest);
      await this.checkLast(members, key);
      await this.checkEnd(members);
      return { manifest, key, layout, manifestSha256: this.manifestSha256 };
    }

    // 2. and 3. The signature first: unsigned bytes are not parsed.
    async checkSigned(files) {
      this.begin(2);
      const key = await this.refused(2, V.envelope.signer(files, this.keys));
      this.report({ kind: "key", key });
      this.pass(2, key.label);
      this.begin(3);
      const parsed = V.manifest.parse(files[V.envelope.MANIFEST]);
      const manifest = await this.refused(3, parsed, V.envelope.MANIFEST);
      const names = manifest.members.map(({ path }) => path);
      try {
        V.manifest.checkNames(names, [...V.envelope.FIRST, ...V.envelope.LAST]);
      } catch (error) {
        throw failed(3, V.envelope.MANIFEST, error.message, "Tell its sender.");
      }
      this.pass(3, `format ${manifest.formatVersion}`);
      return { manifest, key };
    }

    /** Wait for a check, and say which step it was that refused. */
    async refused(step, check, member) {
      try {
        return await check;
      } catch (error) {
        if (!(error instanceof V.FormatError)) throw error;
        throw failed(step, error.member ?? member, error.message, error.advice || ALTERED);
      }
    }

    async checkOthers(files, manifest, key) {
      await this.refused(4, V.envelope.checkOthers(files, manifest, key));
      this.pass(4, `${V.envelope.FIRST.length - SIGNED} files`);
      this.checks.expect(manifest.members);
    }

    async checkPayload(members, manifest) {
      this.begin(...PAYLOAD);
      let bytes = 0;
      for (const listed of manifest.members) {
        const member = await this.expect(members, listed.path, 5);
        if (member.size !== listed.bytes) {
          throw failed(5, listed.path, `it has ${member.size} bytes, and export.json lists ${listed.bytes}`);
        }
        await this.checkMember(listed, member);
        bytes += listed.bytes;
      }
      const { frames, rows, members: framed } = this.checks;
      this.pass(5, { members: manifest.members.length });
      this.pass(6, { bytes });
      this.pass(7, { members: framed, frames });
      this.pass(8, { rows });
    }

    async checkMember(listed, member) {
      const hash = new V.hashing.StreamHash(member.size, this.signal);
      this.progress(member.name, 0);
      const next = async () => {
        const piece = await member.next();
        if (piece) await hash.update(piece);
        if (piece) this.progress(member.name, piece.length);
        return piece;
      };
      const contentError = await this.contentError(listed, next);
      while (await next());
      const digest = V.bytes.hex(await hash.digest());
      this.digests.set(listed.path, digest);
      // 6. A wrong digest says more than whatever damaged content looks like.
      if (digest !== listed.sha256) throw failed(6, listed.path, "its SHA-256 is not the one in export.json");
      if (contentError) throw contentError;
      this.report({ kind: "member", member: listed.path });
    }

    async contentError(listed, next) {
      try {
        await this.checks.check(listed, next);
      } catch (error) {
        if (error instanceof V.VerificationError) return error;
        throw error;
      }
      return null;
    }

    async checkLast(members, key) {
      const [checksums, pem] = V.envelope.LAST;
      this.begin(9, 10);
      const size = [...this.digests.keys(), pem].reduce((sum, name) => sum + 67 + name.length, 0);
      const listed = await this.small(await this.expect(members, checksums, 9), 9, size);
      this.digests.delete(checksums);
      if (!V.envelope.areChecksums(listed)) throw failed(9, checksums, "is not in the form that this format asks for");
      // 10. The key in the bundle is a convenience; it must be the one that verified.
      const found = await this.small(await this.expect(members, pem, 10), 10, V.envelope.limitOf(pem));
      if (V.bytes.latin(found) !== key.pem) throw failed(10, pem, "it is not the key that signed the bundle");
      if (!V.bytes.equal(listed, V.envelope.checksums([...this.digests]))) {
        throw failed(9, checksums, "it does not list every member, in order, with its digest");
      }
      this.pass(9, { members: this.digests.size });
      this.pass(10);
    }

    async checkEnd(members) {
      this.begin(11);
      const { value: extra } = await members.next();
      if (extra) throw failed(11, extra.name, "a member after the last one");
      this.pass(11);
      this.pass(1, { archive: this.size });
    }

    /** Return the next member, which must have this name. */
    async expect(members, name, step) {
      const { value: member } = await members.next();
      if (!member) throw failed(step, name, "the member is missing");
      if (member.name !== name) {
        throw failed(step, name, `the member is missing: ${JSON.stringify(member.name)} stands in its place`);
      }
      return member;
    }

    /** Read a member of the envelope, and remember its digest. */
    async small(member, step, limit = V.envelope.limitOf(member.name)) {
      if (member.size > limit) {
        throw failed(step, member.name, `${member.name} has ${member.size} bytes, more than the ${limit} that are allowed`);
      }
      const pieces = [];
      for (let piece = await member.next(); piece; piece = await member.next()) pieces.push(piece);
      const data = V.bytes.concat(pieces);
      this.digests.set(member.name, V.bytes.hex(await EC.hash.sha256(data)));
      this.progress(member.name, data.length);
      return data;
    }
  }

  /** Say what an error means for a bundle: that it cannot be read, or which step it failed. */
  function verdictOf(error) {
    const { message, advice = ALTERED } = error;
    if (error instanceof V.UnreadableError) return { verdict: "unreadable", message, advice };
    if (error instanceof V.VerificationError) {
      return { verdict: "failed", step: error.step, member: error.member, message, advice };
    }
    const unknown = !(error instanceof V.FormatError);
    const said = unknown ? `it cannot be understood (${error.name}: ${message})` : message;
    return { verdict: "failed", step: 1, member: "archive", message: said, advice: advice || ALTERED };
  }

  async function finish(verification) {
    try {
      return { verdict: "verified", ...(await verification.run()) };
    } catch (error) {
      if (verification.signal?.aborted) return { verdict: "canceled" };
      return verdictOf(error);
    }
  }

  /**
   * Verify a bundle in one pass, in memory that does not grow with it.
   * @param {object} source a byte source, or a folder source that lists its files (EC.source)
   * @param {string} pem the public key or keys that the analyst trusts; never taken from the bundle
   * @param {{signal?: AbortSignal}} [options]
   * @yields {object} {kind: "step", step, state: "running" | "passed" | "failed", note}, {kind: "progress", member,
   *   bytes, total}, {kind: "member", member} that has been checked, {kind: "key", key}, and at
   *   last {kind: "verdict", verdict: "verified" | "failed" | "unreadable" | "canceled", step, member, message,
   *   advice, manifest, manifestSha256, key, layout, seconds}. Throws a FormatError when the text holds no key that can be used.
   */
  async function* verify(source, pem, { signal } = {}) {
    const keys = await EC.pem.parse(pem);
    const events = [];
    let wake = () => {};
    const report = (event) => (events.push(event), wake());
    const began = performance.now();
    finish(new Verification(source, keys, { signal, report })).then((verdict) => {
      if (verdict.step) report({ kind: "step", step: verdict.step, state: "failed", note: verdict.message });
      report({ kind: "verdict", ...verdict, seconds: (performance.now() - began) / 1000 });
    });
    for (let ended = false; !ended; ) {
      if (!events.length) await new Promise((resume) => (wake = resume));
      for (const event of events.splice(0)) {
        yield event;
        ended ||= event.kind === "verdict";
      }
    }
  }

  EC.verify = { verify };
})();
