// What can be wrong with a bundle, as types: the same as in bundle/errors.py.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});

  /** Bytes that do not follow the format. */
  class FormatError extends Error {
    constructor(message, advice = "") {
      super(message);
      this.advice = advice;
    }
  }

  /** The container itself, not a member in it, is not as a writer would have written it. */
  class ContainerError extends FormatError {}

  /** An envelope member is not what it should be; `member` names it. */
  class EnvelopeError extends FormatError {
    constructor(member, message, advice = "") {
      super(message, advice);
      this.member = member;
    }
  }

  /** A numbered step failed: `step`, `member` ("archive" for the container), and `advice` for the receiver. */
  class VerificationError extends Error {
    constructor(step, member, message, advice = "") {
      super(message);
      Object.assign(this, { step, member, advice });
    }
  }

  /** There is no bundle to read: nothing there, something else, or a medium that failed. */
  class UnreadableError extends Error {
    constructor(message, advice = "") {
      super(message);
      this.advice = advice;
    }
  }

  Object.assign(V, { FormatError, ContainerError, EnvelopeError, VerificationError, UnreadableError });
})();
