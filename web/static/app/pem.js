// Public keys in PEM, as an analyst supplies them: ECDSA on P-256 or Ed25519.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;
  const SUPPORTED = "Use an ECDSA P-256 or an Ed25519 public key in PEM.";
  const KINDS = [
    {
      algorithm: "ecdsa-p256-sha256",
      label: "ECDSA P-256 with SHA-256",
      // SubjectPublicKeyInfo up to the point, which is not compressed.
      head: "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
      bytes: 91,
      parameters: { name: "ECDSA", namedCurve: "P-256" },
    },
    {
      algorithm: "ed25519",
      label: "Ed25519",
      head: "302a300506032b6570032100",
      bytes: 44,
      parameters: { name: "Ed25519" },
    },
  ];

  /** Return a DER form as the PEM that a writer of this format writes. */
  function written(der) {
    const lines = V.bytes.toBase64(der).match(/.{1,64}/g);
    return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
  }

  function decoded(body) {
    try {
      return V.bytes.fromBase64(body.replace(/\s+/g, ""));
    } catch {
      throw new V.FormatError("a key's text between BEGIN and END is not base64: some of it may be missing", SUPPORTED);
    }
  }

  async function imported(kind, der) {
    try {
      return await crypto.subtle.importKey("spki", der, kind.parameters, false, ["verify"]);
    } catch (error) {
      if (error.name === "NotSupportedError") {
        throw new V.FormatError(`this browser has no ${kind.label}`, "Use a newer browser, or the command line.");
      }
      throw new V.FormatError(`the key is no valid ${kind.label} key`, SUPPORTED);
    }
  }

  async function keyOf(der) {
    const text = V.bytes.hex(der);
    const kind = KINDS.find(({ head, bytes }) => text.startsWith(head) && der.length === bytes);
    if (!kind) throw new V.FormatError("the key is neither ECDSA P-256 nor Ed25519", SUPPORTED);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
    const { algorithm, label } = kind;
    return { algorithm, label, der, pem: written(der), digest, keyId: V.bytes.hex(digest), key: await imported(kind, der) };
  }

  /**
   * Read all public keys in a text; white space and words around them do not matter.
   * @param {string} text one or several PEM blocks
   * @returns {Promise<{algorithm: string, label: string, der: Uint8Array, pem: string, digest: Uint8Array, keyId: string, key: CryptoKey}[]>}
   *   each key once; throws a FormatError with advice when there is none, or one that is not supported
   */
  async function parse(text) {
    if (!globalThis.crypto?.subtle) {
      throw new V.FormatError("browsers check no signatures on pages that came over plain http", "Open it over https, or from a file.");
    }
    const keys = new Map();
    for (const [, title, body] of String(text).matchAll(BLOCK)) {
      if (title.includes("PRIVATE KEY")) {
        throw new V.FormatError("this is a private key", "Nobody but its owner should have it. Give the public key.");
      }
      if (title !== "PUBLIC KEY") throw new V.FormatError(`a ${title.toLowerCase()} is no public key`, SUPPORTED);
      const key = await keyOf(decoded(body));
      keys.set(key.keyId, key);
    }
    if (!keys.size) throw new V.FormatError("there is no public key in this text", SUPPORTED);
    return [...keys.values()];
  }

  EC.pem = { parse };
})();
