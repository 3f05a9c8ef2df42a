// A resource server's validator that nobody here wrote: says whether it would let a request in.
import * as oauth from 'oauth4webapi'
import { answer } from './peer.mjs'

await answer({
  async validate({ server, audience, method, url, headers }) {
    const request = new Request(url, { method, headers })
    try {
      await oauth.validateJwtAccessToken(server, request, audience, {
        [oauth.allowInsecureRequests]: true,
        requireDPoP: true,
        signingAlgorithms: ['ES256'],
      })
      return { verdict: 'accepted' }
    } catch (error) {
      return { verdict: `${error.code ?? error.name}: ${error.message}` }
    }
  },
})
