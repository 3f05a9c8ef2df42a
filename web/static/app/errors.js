// What can go wrong with a bundle, as one class.
//
//   EC.BundleError(message, {advice, code, cause})
//     message  what broke and where, one sentence
//     advice   what the reader can do about it, one sentence; "" when there is nothing to say
//     code     "format"      the bytes are not what the format says
//              "digest"      they are not those that export.json stands for
//              "unreadable"  they could not be had: network, missing file, a server without ranges
//              "limit"       more than a page can hold
//              "encrypted"   they are, and no key is here
//              "missing"     the bundle has no such member or record
//
// A search or a read that its caller gave up throws the signal's own reason (an AbortError), never a BundleError.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});

  class BundleError extends Error {
    constructor(message, { advice = "", code = "format", cause } = {}) {
      super(message, { cause });
      this.name = "BundleError";
      this.advice = advice;
      this.code = code;
    }
  }

  EC.BundleError = BundleError;

  /** The advice for bytes that do not fit a signed list. */
  EC.ALTERED = "Do not use it: fetch the bundle again, and verify it.";
})();
