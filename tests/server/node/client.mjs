// Clients that nobody here wrote: oauth4webapi, and bare proofs of dpop for the form with Bearer.
import * as oauth from 'oauth4webapi'
import * as DPoP from 'dpop'
import { answer } from './peer.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
let as, client, handle, keys, token
const told = {} // the service's nonce, as the client's own memory would keep it

async function once(response) {
  const { status, headers } = response
  return { status, headers: Object.fromEntries(headers), body: await response.text() }
}

// What has to be asked again with a nonce is asked again once.
async function withNonce(call) {
  try {
    return await call()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return await call()
  }
}

async function bearer({ method, url, headers, proven = true, htu = url }) {
  const proof = proven && (await DPoP.generateProof(keys, htu, method, told.nonce, token))
  const response = await fetch(url, {
    method,
    headers: { ...headers, authorization: `Bearer ${token}`, ...(proof && { dpop: proof }) },
  })
  told.nonce = response.headers.get('dpop-nonce') ?? told.nonce
  return { ...(await once(response)), proof }
}

await answer({
  async login({ issuer, id, scope, audience, algorithm = 'ES256' }) {
    const url = new URL(issuer)
    as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
    client = { client_id: id }
    keys = await DPoP.generateKeyPair(algorithm, { extractable: true })
    handle = id === 'unbound' ? undefined : oauth.DPoP(client, keys)
    const result = await withNonce(async () => {
      const response = await oauth.clientCredentialsGrantRequest(
        as,
        client,
        oauth.ClientSecretBasic('the-secret-of-a-test'),
        new URLSearchParams({ scope, resource: audience }),
        { ...insecure, DPoP: handle },
      )
      return await oauth.processClientCredentialsResponse(as, client, response)
    })
    token = result.access_token
    return { token, kind: result.token_type, jwk: await crypto.subtle.exportKey('jwk', keys.privateKey) }
  },

  async call({ method, url, headers = {}, body = null }) {
    const request = () =>
      oauth.protectedResourceRequest(token, method, new URL(url), new Headers(headers), body, {
        ...insecure,
        DPoP: handle,
      })
    try {
      return await once(await withNonce(request))
    } catch (error) {
      if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
      return { ...(await once(error.response)), challenge: error.cause[0] }
    }
  },

  bearer,
})
