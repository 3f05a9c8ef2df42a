// What verification uses of others: SHA-256 of streams, and zstd.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});

  /** Return a SHA-256 with update(bytes) and digest(). */
  V.sha256Stream = () => nobleHashes.sha256.create();

  /** Return what one zstd frame holds; throws when it is damaged. */
  V.unzstd = (frame) => fzstd.decompress(frame);

  /** Return a decoder with push(bytes), which hands plain pieces to a function as they come. */
  V.unzstdStream = (take) => new fzstd.Decompress(take);
})();
