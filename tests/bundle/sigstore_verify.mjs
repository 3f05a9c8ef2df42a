// Asks Sigstore's own verifier. Reads a JSON array of {bundle, key, artifact?} from standard input, where bundle is
// text, key is PEM and artifact is base64, and prints a JSON array with "verified" or the reason of refusal for each.
// The first argument is the folder that holds node_modules.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/package.json`);
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const NO_AUTHORITIES = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const WITHOUT_LOGS = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };

function verify({ bundle, key, artifact }) {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const hint = createHash("sha256").update(der).digest("base64");
  const trusted = toTrustMaterial(NO_AUTHORITIES, { [hint]: { rawBytes: der } });
  const content = artifact === undefined ? undefined : Buffer.from(artifact, "base64");
  new Verifier(trusted, WITHOUT_LOGS).verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle)), content));
}

function answer(request) {
  try {
    verify(request);
    return "verified";
  } catch (error) {
    return `refused: ${error.message}`;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(answer)));
