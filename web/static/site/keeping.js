/**
 * What a signed-in tab keeps, and where.
 *
 * The key that proves whose the token is lies in IndexedDB, and cannot be read out: not by this page, nor by anybody
 * who gets to run something in it. Tokens lie in sessionStorage: they outlive a link from page to page, not the tab,
 * and other tabs and later users of the browser have none of them. Without the key they are of no use elsewhere.
 */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const DATABASE = "export-center";
  const STORE = "keys";
  const KEY = "dpop";
  const PREFIX = "export-center:";

  /** Returns a promise of what a request of IndexedDB gives. */
  function done(request) {
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  async function store(mode) {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await done(opening);
    const transaction = database.transaction(STORE, mode);
    transaction.oncomplete = transaction.onabort = () => database.close();
    return transaction.objectStore(STORE);
  }

  /** Returns this browser's key pair, made on first use; all tabs of this origin have the same one. */
  async function keyPair() {
    const known = await done((await store("readonly")).get(KEY));
    if (known) return known;
    const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const keys = await store("readwrite");
    // Another tab may have made one meanwhile: the first one stays.
    const first = await done(keys.get(KEY));
    if (first) return first;
    await done(keys.put(made, KEY));
    return made;
  }

  /** Forgets the key: every token that is bound to it is worthless from now on. */
  async function forgetKey() {
    await done((await store("readwrite")).delete(KEY));
  }

  /** Returns what is kept under a name in this tab, or null. */
  function recall(name) {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  }

  /** Keeps a value under a name in this tab; null forgets it. */
  function keep(name, value) {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  }

  EC.keeping = { keyPair, forgetKey, recall, keep };
})();
