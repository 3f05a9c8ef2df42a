/** What is said to the issuer of tokens: sign-in by authorization code with PKCE, renewal, and revocation. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"];
  const EARLY_SECONDS = 10;
  let discovered = null;
  let handle = null;

  const library = () => window.oauth4webapi;
  const client = () => ({ client_id: EC.page.auth.client });

  /** Returns options for calls to a URL: plain http is for this machine only. */
  function options(url, more = {}) {
    return { [library().allowInsecureRequests]: LOOPBACK.includes(new URL(url).hostname), ...more };
  }

  /** Returns the maker of proofs, which remembers the nonces that servers give. */
  async function proofs() {
    if (handle) return handle;
    handle = library().DPoP(client(), await EC.keeping.keyPair());
    // The page brought the service's nonce: without it, the first request of every page would be refused.
    const { nonce } = EC.page.auth;
    if (nonce) handle.cacheNonce(new Response(null, { headers: { "DPoP-Nonce": nonce } }), new URL(location.href));
    return handle;
  }

  /** Returns what the issuer says of itself. */
  async function server() {
    if (discovered) return discovered;
    const issuer = new URL(EC.page.auth.issuer);
    const answer = await library().discoveryRequest(issuer, options(issuer));
    discovered = await library().processDiscoveryResponse(issuer, answer);
    return discovered;
  }

  /** Does something once more that was refused for want of a nonce: the first answer brought it. */
  async function withNonce(ask) {
    try {
      return await ask();
    } catch (error) {
      if (!library().isDPoPNonceError(error)) throw error;
      return await ask();
    }
  }

  /** Sends the browser to the issuer; `back` is where to go afterwards, below this origin. */
  async function begin(back) {
    const { scopes, resource, redirect } = EC.page.auth;
    const flow = {
      back,
      state: library().generateRandomState(),
      nonce: library().generateRandomNonce(),
      verifier: library().generateRandomCodeVerifier(),
    };
    const asked = {
      response_type: "code",
      client_id: EC.page.auth.client,
      redirect_uri: redirect,
      scope: scopes,
      resource,
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await library().calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
      dpop_jkt: await (await proofs()).calculateThumbprint(),
      // Nobody gives a refresh token unasked.
      ...(scopes.split(" ").includes("offline_access") && { prompt: "consent" }),
    };
    const url = new URL((await server()).authorization_endpoint);
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    EC.keeping.keep("flow", flow);
    location.assign(url.href);
  }

  /**
   * Takes the issuer's answer, which is in the address, and returns where to go on.
   *
   * Throws when it belongs to no sign-in of this tab, when the issuer refused, or when its tokens are not good.
   */
  async function finish() {
    const flow = EC.keeping.recall("flow");
    const url = new URL(location.href);
    // Each sign-in is good for one answer, and its code is not to stay in the address or the history.
    EC.keeping.keep("flow", null);
    history.replaceState(null, "", url.pathname);
    if (!flow) throw new Error("No sign-in was begun in this tab, or it is over already.");
    const as = await server();
    const answer = library().validateAuthResponse(as, client(), url, flow.state);
    const DPoP = await proofs();
    const result = await withNonce(async () => {
      const more = options(as.token_endpoint, { DPoP, additionalParameters: { resource: EC.page.auth.resource } });
      const { redirect } = EC.page.auth;
      const args = [as, client(), library().None(), answer, redirect, flow.verifier, more];
      const response = await library().authorizationCodeGrantRequest(...args);
      return await library().processAuthorizationCodeResponse(as, client(), response, expected(flow));
    });
    return { token: tokenOf(result), back: flow.back };
  }

  /** Returns what the answer must hold: an identity with our nonce, if one was asked for. */
  function expected(flow) {
    return EC.page.auth.scopes.split(" ").includes("openid") ? { expectedNonce: flow.nonce } : {};
  }

  /** Returns a new token for one that has run out, or null when it cannot be renewed. */
  async function renew(token) {
    if (!token.refresh) return null;
    const as = await server();
    const DPoP = await proofs();
    const result = await withNonce(async () => {
      const more = options(as.token_endpoint, { DPoP, additionalParameters: { resource: EC.page.auth.resource } });
      const response = await library().refreshTokenGrantRequest(as, client(), library().None(), token.refresh, more);
      return await library().processRefreshTokenResponse(as, client(), response);
    });
    return { refresh: token.refresh, ...tokenOf(result) };
  }

  /** Tells the issuer that tokens are not needed any more, if it wants to know. */
  async function revoke(token) {
    const as = await server();
    if (!as.revocation_endpoint) return as.end_session_endpoint ?? null;
    const given = token.refresh ?? token.access;
    const args = [as, client(), library().None(), given, options(as.revocation_endpoint)];
    await library().processRevocationResponse(await library().revocationRequest(...args));
    return as.end_session_endpoint ?? null;
  }

  function tokenOf(result) {
    if (result.token_type !== "dpop") throw new Error("The issuer gave a token that is bound to no key.");
    const seconds = result.expires_in ?? Infinity;
    return {
      access: result.access_token,
      ...(result.refresh_token && { refresh: result.refresh_token }),
      until: Number.isFinite(seconds) ? Date.now() + (seconds - EARLY_SECONDS) * 1000 : null,
    };
  }

  /** Asks this service for something, with a token and a fresh proof; returns its answer, whatever it is. */
  async function ask(token, url, init) {
    const DPoP = await proofs();
    const headers = new Headers(init.headers);
    const more = options(url, { DPoP, ...(init.signal && { signal: init.signal }) });
    const once = () => {
      const { method = "GET", body = null } = init;
      return library().protectedResourceRequest(token, method, url, new Headers(headers), body, more);
    };
    try {
      return await withNonce(once);
    } catch (error) {
      if (error instanceof library().WWWAuthenticateChallengeError) return error.response;
      throw error;
    }
  }

  EC.issuer = { begin, finish, renew, revoke, ask };
})();
