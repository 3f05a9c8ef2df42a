/**
 * The session of a signed-in tab. Without sign-in (this machine only) every request simply goes out.
 *
 * All scripts of served pages ask through `ExportCenter.session.fetch`, which adds the token, a fresh proof and the
 * tenant, renews the token when it has run out, and never sends any of it to another origin.
 */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const LOCK = "export-center-renewal";
  const UNAUTHORIZED = 401;
  const PATIENCE = 150; // milliseconds for other tabs to answer
  const channel = EC.page.auth && "BroadcastChannel" in window ? new BroadcastChannel("export-center-session") : null;

  /** Thrown when somebody must sign in before this can go on. */
  class SignInNeeded extends Error {}

  const token = () => EC.keeping.recall("token");
  const isOld = (known) => known.until !== null && known.until <= Date.now();

  /** Returns the claims of an access token; they are shown, never trusted. */
  function claims(known = token()) {
    try {
      const text = known.access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (each) => each.charCodeAt(0))));
    } catch {
      return {};
    }
  }

  /** Returns the tenants that the token names. */
  function tenants() {
    const named = claims()[EC.page.auth?.tenantClaim];
    return typeof named === "string" ? [named] : Array.isArray(named) ? named.filter((each) => each === `${each}`) : [];
  }

  /** Returns the tenant that requests are about; null leaves it to the service. */
  function tenant() {
    const named = tenants();
    const chosen = EC.keeping.recall("tenant");
    if (named.includes(chosen)) return chosen;
    return named.length > 1 ? named[0] : null;
  }

  /** Makes all further requests of this tab about another tenant. */
  function choose(name) {
    EC.keeping.keep("tenant", name);
    location.reload();
  }

  /** Returns a token that is good for some seconds at least; of several tabs, one renews it for all. */
  async function current(refused = null) {
    const known = token();
    if (!known) throw new SignInNeeded("nobody is signed in");
    if (!isOld(known) && known.access !== refused) return known;
    return navigator.locks.request(LOCK, async () => {
      const now = token();
      if (now && !isOld(now) && now.access !== refused) return now;
      const isOurs = (given) => claims(given).sub === claims(now).sub && given.access !== refused;
      // What another tab has renewed may not have arrived yet; a refresh token is often good only once.
      const renewed = now && ((await borrow(isOurs)) ?? (await renew(now)));
      EC.keeping.keep("token", renewed);
      if (!renewed) throw new SignInNeeded("the session is over");
      channel?.postMessage({ token: renewed, subject: claims(renewed).sub });
      return renewed;
    });
  }

  /** Returns a new token; null when the issuer gives none any more, rather than does not answer. */
  async function renew(known) {
    try {
      return await EC.issuer.renew(known);
    } catch (error) {
      if (error.error || error.status) return null;
      throw error;
    }
  }

  /** Fetches something of this origin, as `fetch` does, for whoever is signed in. */
  async function ask(address, init = {}) {
    const url = new URL(address, location.href);
    if (!EC.page.auth) return fetch(url, init);
    if (url.origin !== location.origin) throw new TypeError(`${url.origin} is not asked: it is another service`);
    const headers = new Headers(init.headers);
    const known = await current();
    if (tenant() !== null) headers.set("X-Stella-Tenant", tenant());
    const answer = await EC.issuer.ask(known.access, url, { ...init, headers });
    if (answer.status !== UNAUTHORIZED) return answer;
    const renewed = await current(known.access);
    return EC.issuer.ask(renewed.access, url, { ...init, headers });
  }

  /** Goes to the issuer, and comes back to this address. */
  async function signIn() {
    await EC.issuer.begin(location.pathname + location.search + location.hash);
  }

  /** Forgets tokens and key, in all tabs, and tells the issuer. Returns where its own session can be ended, or null. */
  async function signOut() {
    const known = token();
    EC.keeping.keep("token", null);
    EC.keeping.keep("tenant", null);
    channel?.postMessage({ over: true });
    const elsewhere = known && (await EC.issuer.revoke(known).catch(() => null));
    await EC.keeping.forgetKey();
    return elsewhere;
  }

  /** Asks other tabs of this origin for a token that fits, and waits for them a moment. */
  function borrow(fits = () => true, patience = PATIENCE) {
    return new Promise((resolve) => {
      if (!channel) return resolve(null);
      const end = new AbortController();
      const giveUp = setTimeout(() => (end.abort(), resolve(null)), patience);
      const hear = ({ data }) => {
        if (!data.given || !fits(data.given)) return;
        clearTimeout(giveUp);
        end.abort();
        EC.keeping.keep("token", data.given);
        resolve(data.given);
      };
      channel.addEventListener("message", hear, { signal: end.signal });
      channel.postMessage({ asked: true });
    });
  }

  channel?.addEventListener("message", ({ data }) => {
    const known = token();
    if (data.asked && known && !isOld(known)) channel.postMessage({ given: known });
    if (data.token && known && claims(known).sub === data.subject) EC.keeping.keep("token", data.token);
    if (data.over && known) {
      EC.keeping.keep("token", null);
      location.reload();
    }
  });

  EC.session = {
    SignInNeeded,
    fetch: ask,
    borrow,
    choose,
    signIn,
    signOut,
    tenant,
    tenants,
    isSignedIn: () => token() !== null,
    who: () => claims().sub ?? "",
  };
})();
