// An authorization server that nobody here wrote. Usage: issuer.mjs AUDIENCE nonces|no-nonces
import { createServer } from 'node:http'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import Provider from 'oidc-provider'

const [audience, nonces] = process.argv.slice(2)
const SCOPES = 'export:read export:run export:download export:profile:manage'
const TENANTS = { one: 'acme', several: ['acme', 'beta'], unbound: 'acme' }

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const client = (id) => ({
  client_id: id,
  client_secret: 'the-secret-of-a-test',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: SCOPES,
  dpop_bound_access_tokens: id !== 'unbound',
})

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: Object.keys(TENANTS).map(client),
    // Its only key is one of P-256.
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
    enabledJWA: { dPoPSigningAlgValues: ['ES256', 'Ed25519', 'EdDSA', 'PS256'] },
    scopes: SCOPES.split(' '),
    extraTokenClaims: (_, token) => ({ 'stella:tenant': TENANTS[token.clientId], 'example:org': 'gamma' }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => nonces === 'nonces' },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: SCOPES,
          audience,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  server.on('request', provider.callback())
  process.stdout.write(`${JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` })}\n`)
})
