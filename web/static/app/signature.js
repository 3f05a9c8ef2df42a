// Signatures: of the encodings that a signature can have, only one is accepted (docs/format.md, "Signatures").
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const SCALAR = 32;
  const INTEGER = 2;
  const SEQUENCE = 0x30;

  /** Take a DER integer at a place: positive, with no byte more than it needs, of at most 32 bytes. */
  function integer(der, place) {
    const size = der[place + 1];
    const bytes = der.subarray(place + 2, place + 2 + size);
    const padded = bytes[0] === 0;
    const whole = der[place] === INTEGER && size > 0 && bytes.length === size && bytes[0] < 0x80;
    if (!whole || (padded && !(bytes[1] >= 0x80)) || size - padded > SCALAR) return null;
    return { bytes: bytes.subarray(padded ? 1 : 0), end: place + 2 + size };
  }

  const valueOf = (bytes) => BigInt(`0x${V.bytes.hex(bytes)}`);

  /**
   * Return r and s, 32 bytes each, as WebCrypto takes them; null when the DER is another than the one that is allowed:
   * minimal lengths and integers, both between 1 and n - 1, and the lower of the two possible s.
   */
  function rawOf(der) {
    if (der.length < 8 || der[0] !== SEQUENCE || der[1] !== der.length - 2 || der[1] >= 0x80) return null;
    const r = integer(der, 2);
    const s = r && integer(der, r.end);
    if (!s || s.end !== der.length) return null;
    const [x, y] = [valueOf(r.bytes), valueOf(s.bytes)];
    if (x < 1n || x >= ORDER || y < 1n || y > ORDER - y) return null;
    const raw = new Uint8Array(2 * SCALAR);
    raw.set(r.bytes, SCALAR - r.bytes.length);
    raw.set(s.bytes, 2 * SCALAR - s.bytes.length);
    return raw;
  }

  /**
   * Whether a signature is a key's over some bytes, in the one encoding that is allowed.
   * @param {{algorithm: string, key: CryptoKey}} key as EC.pem.parse returns it
   * @param {Uint8Array} signature DER for ECDSA, 64 raw bytes for Ed25519
   * @param {Uint8Array} data what is signed
   */
  async function verify(key, signature, data) {
    if (key.algorithm === "ed25519") {
      return signature.length === 64 && crypto.subtle.verify({ name: "Ed25519" }, key.key, signature, data);
    }
    const raw = rawOf(signature);
    return raw !== null && crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key.key, raw, data);
  }

  EC.signature = { verify, rawOf };
})();
