// An archive read once from front to back: the next piece is fetched while the last one is worked on.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  /** Bytes that are read at once: of a file, and of a server, which counts requests. */
  const PIECE = 2 << 20;
  const FROM_SERVER = 8 << 20;

  /** Wait for bytes, but not longer than the signal lets; what cannot be read is no fault of the bundle. */
  async function readable(promise, signal) {
    signal?.throwIfAborted();
    let stop;
    const stopped = new Promise((_, refuse) => {
      stop = () => refuse(signal.reason);
      signal?.addEventListener("abort", stop);
    });
    try {
      return await Promise.race([promise, stopped]);
    } catch (error) {
      throw new V.UnreadableError(`the bundle cannot be read: ${error.message}`, error.advice ?? "Try again.");
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  class Incoming {
    /**
     * @param {{size: number, read: (start: number, end: number) => Promise<Uint8Array>}} source
     * @param {AbortSignal} [signal]
     */
    constructor(source, signal) {
      Object.assign(this, { source, signal, offset: 0, ahead: new Uint8Array(0), asked: 0, next: null });
      this.piece = source.kind === "url" ? FROM_SERVER : PIECE;
      this.next = this.fetch();
    }

    fetch() {
      const start = this.asked;
      this.asked = Math.min(start + this.piece, this.source.size);
      if (start === this.asked) return Promise.resolve(new Uint8Array(0));
      const answer = this.source.read(start, this.asked, { signal: this.signal });
      // Whoever asks for it gets the error; until then nobody else should.
      answer.catch(() => {});
      return answer;
    }

    async more() {
      const piece = await V.readable(this.next, this.signal);
      this.next = this.fetch();
      return piece;
    }

    /** Return the next bytes, fewer at the end, without taking them. */
    async look(size) {
      while (this.ahead.length < size) {
        const piece = await this.more();
        if (!piece.length) break;
        this.ahead = this.ahead.length ? V.bytes.concat([this.ahead, piece]) : piece;
      }
      return this.ahead.subarray(0, size);
    }

    /** Return exactly so many bytes; throws ContainerError when there are fewer. */
    async take(size) {
      const data = await this.look(size);
      if (data.length < size) throw new V.ContainerError("the archive ends early", "It was cut off; fetch it again.");
      this.ahead = this.ahead.subarray(size);
      this.offset += size;
      await EC.turn.due(this.signal);
      return data;
    }

    async expect(bytes, message) {
      if (!V.bytes.equal(await this.take(bytes.length), bytes)) throw new V.ContainerError(message);
    }

    /** Make sure that nothing is left. */
    async end() {
      if ((await this.look(1)).length) throw new V.ContainerError("bytes follow the end of the archive");
    }
  }

  Object.assign(V, { Incoming, readable });
})();
