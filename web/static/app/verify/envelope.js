// The envelope: the signed files around the payload, each compared with what export.json and the key ask for.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const MANIFEST = "export.json";
  const SIGNATURE = "export.json.sig";
  const PROVENANCE = "provenance.json";
  const FIRST = [
    MANIFEST, SIGNATURE, "export.json.sigstore.json", PROVENANCE, "provenance.json.sig", "provenance.sigstore.json",
    "provenance.dsse.json",
  ];
  const LAST = ["checksums.txt", "cosign.pub"];
  const MAX_MANIFEST = 8 << 20;
  const MAX_LINES = 1 << 10;
  const IN_TOTO = "application/vnd.in-toto+json";
  const ASKED = "is not what export.json and the key ask for";
  const CHECKSUM = /^[0-9a-f]{64} {2}[!-~][ -~]*$/;

  /** The largest size of a member before the payload, or of cosign.pub, in bytes. */
  function limitOf(name, manifestBytes = MAX_MANIFEST) {
    if (name === MANIFEST) return MAX_MANIFEST;
    if ([SIGNATURE, "provenance.json.sig", "cosign.pub"].includes(name)) return MAX_LINES;
    return 3 * manifestBytes + (16 << 10);
  }

  /** Read a `.sig`: one line of base64. */
  function signatureIn(files, name) {
    const line = V.bytes.latin(files[name]);
    if (!line.endsWith("\n")) throw new V.EnvelopeError(name, "a signature file is one line of base64");
    try {
      return V.bytes.fromBase64(line.slice(0, -1));
    } catch (error) {
      throw new V.EnvelopeError(name, error.message);
    }
  }

  /** Return the trusted key that signed export.json; throws EnvelopeError when none did. */
  async function signer(files, keys) {
    const signature = signatureIn(files, SIGNATURE);
    for (const key of keys) if (await EC.signature.verify(key, signature, files[MANIFEST])) return key;
    throw new V.EnvelopeError(
      SIGNATURE,
      "export.json is not signed by any of the keys you trust",
      "Check that you hold the sender's public key; if you do, the bundle was altered.",
    );
  }

  const statementEnvelope = (payload, signature) => ({
    payload: V.bytes.toBase64(payload),
    payloadType: IN_TOTO,
    signatures: [{ keyid: "", sig: V.bytes.toBase64(signature) }],
  });

  function sigstore(content, key) {
    return V.canonical.encode({
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { publicKey: { hint: V.bytes.toBase64(key.digest) }, tlogEntries: [] },
      ...content,
    });
  }

  async function messageBundle(data, signature, key) {
    const messageDigest = { algorithm: "SHA2_256", digest: V.bytes.toBase64(await EC.hash.sha256(data)) };
    return sigstore({ messageSignature: { messageDigest, signature: V.bytes.toBase64(signature) } }, key);
  }

  function dependencies({ snapshotDigest, profile, policySnapshot, base }) {
    const found = [["evidence", snapshotDigest], ["profile", profile.sha256]];
    if (policySnapshot) found.push([`policy:${policySnapshot.id}`, policySnapshot.sha256]);
    if (base) found.push(["base", base.contentDigest]);
    return found.map(([name, sha256]) => ({ name, digest: { sha256 } }));
  }

  /** Return provenance.json as it has to be: it is a function of export.json and the key. */
  async function provenanceOf(data, manifest, key) {
    const { profile, selectors, asOf, adapters, normalisers, toolchain, contentDigest } = manifest;
    return V.canonical.encode({
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://slsa.dev/provenance/v1",
      subject: [{ name: MANIFEST, digest: { sha256: V.bytes.hex(await EC.hash.sha256(data)) } }],
      predicate: {
        buildDefinition: {
          buildType: "https://export-center.dev/bundle/v0.1",
          externalParameters: { profile, selectors, asOf },
          internalParameters: { adapters, normalisers, toolchain },
          resolvedDependencies: dependencies(manifest),
        },
        runDetails: {
          builder: { id: "https://export-center.dev/builder", version: { "export-center": toolchain.exportCenter } },
          byproducts: [
            { name: "content", digest: { sha256: contentDigest } },
            { name: "signing-key", digest: { sha256: key.keyId } },
          ],
        },
      },
    });
  }

  function pae(payload) {
    return V.bytes.concat([V.bytes.utf8(`DSSEv1 ${IN_TOTO.length} ${IN_TOTO} ${payload.length} `), payload]);
  }

  /** Return {payload, signature} of an envelope, of which nothing has been verified yet; throws FormatError. */
  function readStatement(data) {
    const value = V.canonical.decode(data);
    if (value?.payload === undefined || value.signatures?.[0]?.sig === undefined) {
      throw new V.FormatError("not a DSSE envelope with one signature");
    }
    const [payload, signature] = [V.bytes.fromBase64(value.payload), V.bytes.fromBase64(value.signatures[0].sig)];
    if (!V.bytes.equal(V.canonical.encode(statementEnvelope(payload, signature)), data)) {
      throw new V.FormatError("a DSSE envelope with other fields than this format has");
    }
    return { payload, signature };
  }

  async function checkStatement(files, key) {
    const name = "provenance.dsse.json";
    let statement;
    try {
      statement = readStatement(files[name]);
    } catch (error) {
      throw new V.EnvelopeError(name, error.message);
    }
    const { payload, signature } = statement;
    if (!(await EC.signature.verify(key, signature, pae(payload)))) {
      throw new V.EnvelopeError(name, "the signature over the payload is not that of the key");
    }
    if (!V.bytes.equal(payload, files[PROVENANCE])) throw new V.EnvelopeError(name, "its payload is not provenance.json");
    expect(files, "provenance.sigstore.json", sigstore({ dsseEnvelope: statementEnvelope(payload, signature) }, key));
  }

  function expect(files, name, expected) {
    if (!V.bytes.equal(files[name], expected)) throw new V.EnvelopeError(name, ASKED);
  }

  /** Check the members before the payload, given that export.json is signed by the key; throws EnvelopeError. */
  async function checkOthers(files, manifest, key) {
    const data = files[MANIFEST];
    expect(files, "export.json.sigstore.json", await messageBundle(data, signatureIn(files, SIGNATURE), key));
    expect(files, PROVENANCE, await provenanceOf(data, manifest, key));
    const signature = signatureIn(files, "provenance.json.sig");
    if (!(await EC.signature.verify(key, signature, files[PROVENANCE]))) {
      throw new V.EnvelopeError("provenance.json.sig", "is not the key's signature over provenance.json");
    }
    await checkStatement(files, key);
  }

  /** Return checksums.txt for [name, SHA-256] in the order of the archive. */
  const checksums = (digests) => V.bytes.utf8(digests.map(([name, digest]) => `${digest}  ${name}\n`).join(""));

  /** Whether a text is some checksums.txt: lines of digests and names, each name once. */
  function areChecksums(data) {
    const text = V.bytes.latin(data);
    if (!text) return true;
    const lines = text.slice(0, -1).split("\n");
    const names = new Set(lines.map((line) => line.slice(66)));
    return text.endsWith("\n") && names.size === lines.length && lines.every((line) => CHECKSUM.test(line));
  }

  Object.assign(V, {
    envelope: { FIRST, LAST, MANIFEST, MAX_MANIFEST, limitOf, signer, checkOthers, checksums, areChecksums },
  });
})();
