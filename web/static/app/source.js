// Where bytes come from. Nothing read here is verified: whoever asked checks it against a digest.
//
// A byte source:  {kind, name, size, bytesRead, requests, read(start, end, {signal}) -> Promise<Uint8Array>}
//   kind       "file" | "url" | "memory"
//   size       all bytes there are
//   bytesRead  bytes that were moved so far; requests: in how many reads
//   read       exactly the bytes from start to end (exclusive), or a BundleError
//
//   EC.source.fromFile(File)                     -> source           a dropped or chosen archive, read by File.slice
//   await EC.source.fromUrl(url, {fetch, name, size})  -> source    over HTTP range; `fetch` signs in, where one does
//   EC.source.fromBytes(Uint8Array, name)        -> source
//   EC.source.fromFolder / fromSiblings / of -> folders.js
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const HEAD = 64 * 1024;
  /** What is read as a whole from a server that knows no ranges. */
  const WHOLE = 32 << 20;
  /** How often a busy server is asked, and the seconds it may ask to wait. */
  const ATTEMPTS = 4;
  const PATIENCE = 10;
  const RANGES = "Use a server that answers range requests, or download the file and drop it on the page.";

  const broken = (message, advice, cause) => new EC.BundleError(message, { advice, code: "unreadable", cause });

  /** What all sources share: ranges are checked, and bytes are counted. */
  class Source {
    constructor(kind, name, size) {
      this.kind = kind;
      this.name = name;
      this.size = size;
      this.bytesRead = 0;
      this.requests = 0;
    }

    async read(start, end, { signal } = {}) {
      if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= this.size)) {
        throw broken(`${this.name} ends early: bytes ${start} to ${end} of ${this.size} were asked for`, "It is cut off; fetch it again.");
      }
      signal?.throwIfAborted();
      if (start === end) return new Uint8Array(0);
      const data = await this.range(start, end, signal);
      signal?.throwIfAborted();
      if (data.length !== end - start) throw broken(`${this.name} ends early`, "It was changed or cut off; open it again.");
      return data;
    }

    count(bytes) {
      this.bytesRead += bytes;
      this.requests += 1;
    }
  }

  class FileSource extends Source {
    constructor(file) {
      super("file", file.name, file.size);
      this.blob = file;
    }

    async range(start, end) {
      try {
        const data = new Uint8Array(await this.blob.slice(start, end).arrayBuffer());
        this.count(data.length);
        return data;
      } catch (error) {
        throw broken(`${this.name} cannot be read: ${error.message}`, "It was moved or changed; choose it again.", error);
      }
    }
  }

  class MemorySource extends Source {
    constructor(bytes, name) {
      super("memory", name, bytes.length);
      this.bytes = bytes;
    }

    async range(start, end) {
      return this.bytes.slice(start, end);
    }
  }

  class UrlSource extends Source {
    constructor(url, name, fetch) {
      super("url", name, 0);
      this.url = url;
      this.fetch = fetch;
      this.tag = null;
      this.head = new Uint8Array(0);
    }

    async range(start, end, signal) {
      if (end <= this.head.length) return this.head.slice(start, end);
      return (await this.ask(start, end, signal)).data;
    }

    /** Ask for a range; {data, total}, or the whole file from a server that gave all of a small one. */
    async ask(start, end, signal) {
      const response = await asked(this, { headers: { Range: `bytes=${start}-${end - 1}` }, signal });
      if (response.status === 200 && this.size === 0) return { data: await wholeOf(this, response), whole: true };
      const total = rangeOf(this, response, start, end);
      this.unchanged(response);
      const data = await bodyOf(this, response, end - start);
      return { data, total };
    }

    unchanged(response) {
      const tag = response.headers.get("ETag");
      if (this.tag && tag && tag !== this.tag) {
        throw broken(`${this.name} changed on the server while it was read`, "Open it again.");
      }
      this.tag ??= tag;
    }
  }

  async function once(source, options) {
    try {
      return await source.fetch(source.url, options);
    } catch (error) {
      if (error?.name === "AbortError" || options.signal?.aborted) throw error;
      throw broken(`${source.name} cannot be fetched: ${error.message}`, "Check the connection, and try again.", error);
    }
  }

  /** Wait as a busy server asks for: milliseconds, or null when it asks for no wait, or for a long one. */
  function wait(response) {
    const seconds = Number(response.headers.get("Retry-After") ?? NaN);
    return [429, 503].includes(response.status) && seconds >= 0 && seconds <= PATIENCE ? seconds * 1000 : null;
  }

  async function asked(source, options) {
    for (let attempt = 1; ; attempt++) {
      const response = await once(source, options);
      if (response.status === 200 || response.status === 206) return response;
      await response.body?.cancel();
      const pause = attempt < ATTEMPTS ? wait(response) : null;
      if (pause === null) throw broken(`${source.name} cannot be fetched: the server answered ${response.status}`, adviceFor(response.status));
      await new Promise((resume) => setTimeout(resume, pause));
      options.signal?.throwIfAborted();
    }
  }

  function adviceFor(status) {
    if (status === 401 || status === 403) return "Sign in again, or ask for access to this tenant's bundles.";
    if (status === 404 || status === 410) return "It is no longer there; choose another bundle.";
    if (status === 416) return "It changed or is empty; open it again.";
    return status === 429 || status >= 500 ? "Try again in a moment." : RANGES;
  }

  /** Make sure that an answer is the range that was asked for, and return the size of the whole. */
  function rangeOf(source, response, start, end) {
    const found = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "");
    const coding = response.headers.get("Content-Encoding");
    if (response.status !== 206 || !found || (coding && coding !== "identity")) {
      response.body?.cancel();
      throw broken(`the server of ${source.name} does not answer range requests`, RANGES);
    }
    const [first, last, total] = found.slice(1).map(Number);
    const fits = source.size ? total === source.size && last === end - 1 : last === Math.min(end, total) - 1;
    if (first !== start || !fits || !Number.isSafeInteger(total)) {
      response.body?.cancel();
      throw broken(`the server of ${source.name} answered another range than the one asked for`, "Open it again.");
    }
    return total;
  }

  /** Read a body, never more than `most` bytes of it. */
  async function bodyOf(source, response, most) {
    const pieces = [];
    let size = 0;
    const reader = response.body?.getReader();
    try {
      for (let step = await reader?.read(); step && !step.done; step = await reader.read()) {
        size += step.value.length;
        if (size > most) throw broken(`the server of ${source.name} sent more than was asked for`, RANGES);
        pieces.push(step.value);
      }
    } catch (error) {
      await reader.cancel().catch(() => {});
      if (error instanceof EC.BundleError || error?.name === "AbortError") throw error;
      throw broken(`${source.name} could not be read to its end: ${error.message}`, "Check the connection, and try again.", error);
    }
    source.count(size);
    return joined(pieces, size);
  }

  function joined(pieces, size) {
    if (pieces.length === 1) return pieces[0];
    const data = new Uint8Array(size);
    let place = 0;
    for (const piece of pieces) {
      data.set(piece, place);
      place += piece.length;
    }
    return data;
  }

  async function wholeOf(source, response) {
    const stated = Number(response.headers.get("Content-Length") ?? 0);
    if (stated > WHOLE) {
      await response.body?.cancel();
      throw broken(`the server of ${source.name} does not answer range requests, and the file has ${stated} bytes`, RANGES);
    }
    return bodyOf(source, response, WHOLE);
  }

  /** Return a byte source of an archive over http; with a `size` that is known, nothing is asked before the first read. */
  async function fromUrl(url, { fetch = (...given) => globalThis.fetch(...given), name, size, signal } = {}) {
    const called = name ?? (String(url).split(/[?#]/)[0].split("/").pop() || "bundle");
    const source = new UrlSource(url, called, fetch);
    if (size !== undefined) return Object.assign(source, { size });
    const first = await source.ask(0, HEAD, signal);
    source.size = first.whole ? first.data.length : first.total;
    if (!first.whole && first.data.length !== Math.min(HEAD, first.total)) throw broken(`${called} ends early`, "Fetch it again.");
    return Object.assign(source, { head: first.data });
  }

  EC.source = {
    Source,
    fromFile: (file) => new FileSource(file),
    fromBytes: (bytes, name = "bytes") => new MemorySource(bytes, name),
    fromUrl,
  };
})();
