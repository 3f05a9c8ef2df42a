// Digests, and turns for the page between pieces of work.
//
//   EC.hash.sha256(bytes)          -> Promise<Uint8Array of 32>
//   EC.hash.sha256Hex(bytes)       -> Promise<64 hexadecimal digits>
//   EC.hash.crc32(bytes)           -> number (IEEE, as zlib has it)
//   EC.hash.hex(bytes)             -> hexadecimal digits
//   EC.hash.equal(left, right)     -> whether two byte strings are the same
//   EC.hash.idHash(text)           -> Promise<Uint8Array of 8>, what the record index is sorted by
//   await EC.turn.due(signal)      gives the page a turn when work has gone on for long; throws when signal is aborted
//   EC.turn.late()                 whether it would: cheap enough to ask a million times
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const encoder = new TextEncoder();
  const LONG = 8;

  /** The browser's own digest exists in secure contexts only; over plain http the vendored one does the same. */
  async function sha256(bytes) {
    if (globalThis.crypto?.subtle) return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return nobleHashes.sha256(bytes);
  }

  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sha256Hex = async (bytes) => hex(await sha256(bytes));
  const idHash = async (text) => (await sha256(encoder.encode(text))).subarray(0, 8);

  function equal(left, right) {
    if (left.length !== right.length) return false;
    for (let place = 0; place < left.length; place++) if (left[place] !== right[place]) return false;
    return true;
  }

  const CRC = new Uint32Array(256).map((_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });

  function crc32(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
    return (value ^ 0xffffffff) >>> 0;
  }

  function nextTask() {
    if (globalThis.scheduler?.yield) return scheduler.yield();
    return new Promise((resume) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        channel.port1.close();
        resume();
      };
      channel.port2.postMessage(0);
    });
  }

  let since = 0;

  // A wait for bytes was a turn as well, but nobody told: at worst one turn too many is given.
  const late = () => performance.now() - since >= LONG;

  /** Every piece of work that may take long asks after each part of it. */
  async function due(signal) {
    signal?.throwIfAborted();
    if (!late()) return;
    await nextTask();
    since = performance.now();
    signal?.throwIfAborted();
  }

  EC.hash = { sha256, sha256Hex, crc32, hex, equal, idHash };
  EC.turn = { due, late };
})();
