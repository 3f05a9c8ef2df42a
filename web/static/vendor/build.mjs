// Makes the files here that browsers run, from the libraries that package.json pins: `npm ci && node build.mjs`.
// Libraries that are modules only become plain scripts with one global; what nobody uses of them is left out.
// `node build.mjs FOLDER` writes elsewhere, to compare.
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";

const LIBRARIES = [
  { name: "fzstd", from: "fzstd", global: "fzstd", licence: "LICENSE", uses: ["Decompress", "decompress"] },
  { name: "noble-hashes", from: "@noble/hashes/sha2.js", global: "nobleHashes", licence: "LICENSE", uses: ["sha256"] },
  { name: "uplot", from: "uplot", global: "uplot", licence: "LICENSE", uses: ["default as uPlot"] },
  {
    name: "oauth4webapi",
    from: "oauth4webapi",
    global: "oauth4webapi",
    licence: "LICENSE.md",
    uses: [
      "DPoP", "None", "WWWAuthenticateChallengeError", "allowInsecureRequests", "authorizationCodeGrantRequest",
      "calculatePKCECodeChallenge", "discoveryRequest", "generateRandomCodeVerifier", "generateRandomNonce",
      "generateRandomState", "isDPoPNonceError", "processAuthorizationCodeResponse", "processDiscoveryResponse",
      "processRefreshTokenResponse", "processRevocationResponse", "protectedResourceRequest",
      "refreshTokenGrantRequest", "revocationRequest", "validateAuthResponse",
    ],
  },
];

const target = process.argv[2] ?? import.meta.dirname;
await mkdir(target, { recursive: true });
for (const { name, from, global, licence, uses } of LIBRARIES) {
  const folder = from.split("/").slice(0, from.startsWith("@") ? 2 : 1).join("/");
  await build({
    stdin: { contents: `export { ${uses.join(", ")} } from "${from}";`, resolveDir: import.meta.dirname },
    bundle: true,
    format: "iife",
    globalName: global,
    legalComments: "none",
    minify: true,
    outfile: `${target}/${name}.js`,
    target: "es2022",
  });
  await copyFile(`${import.meta.dirname}/node_modules/${folder}/${licence}`, `${target}/${name}.LICENSE.txt`);
}
