/**
 * The small page that stands for every page while nobody is signed in: signs in, fetches the page of the same address
 * with a token, and puts it in its own place.
 */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});
  const SHELL = "shell";
  const SIGNED_IN = "signed-in";
  const SOON = 150; // milliseconds until the button to sign in is there
  const LATE = 5000; // until another tab will not answer any more

  const overview = () => `${EC.page.root}index.html`;

  // The only markup that ever becomes elements: what this origin answered to a request of this script.
  const policy = window.trustedTypes?.createPolicy("export-center", { createHTML: (text) => text });

  /** Returns a document made of an answer of this origin; its scripts do not run. */
  async function parsed(answer) {
    if (answer.url && new URL(answer.url).origin !== location.origin) throw new TypeError("not of this origin");
    const text = await answer.text();
    return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  }

  /** Puts a page in place of this one. */
  function show(made) {
    document.title = made.title;
    document.documentElement.className = made.documentElement.className;
    document.getElementById("page").replaceWith(made.getElementById("page"));
    document.body.replaceChildren(...made.body.childNodes);
    EC.restart();
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }

  /** Says something in the middle of the page, with buttons: [label, what it does]. */
  function say(title, text, ...buttons) {
    const { h } = EC.dom;
    const made = buttons.map(([label, act]) => h("button", { type: "button", onclick: act }, label));
    const main = document.getElementById("main");
    main.replaceChildren(
      h("section", { class: "small" }, h("h2", {}, title), h("p", {}, text), h("p", { class: "actions" }, ...made)),
    );
    made[0]?.focus();
  }

  function refused(error) {
    const text = EC.problems.words(error);
    say("Sign-in did not work", text, ["Try again", () => void start()]);
  }

  function invite() {
    const text = `This service shows its pages to people whom ${new URL(EC.page.auth.issuer).host} knows.`;
    say("Sign in to see this page", text, ["Sign in", () => void start()]);
  }

  async function start() {
    try {
      await EC.session.signIn();
    } catch (error) {
      refused(error);
    }
  }

  /** Waits for another tab's session; after a moment one can sign in meanwhile. Returns whether there was one. */
  async function takenOver() {
    const inviting = setTimeout(invite, SOON);
    const taken = await EC.session.borrow(undefined, LATE);
    clearTimeout(inviting);
    return taken !== null;
  }

  async function open() {
    if (!EC.session.isSignedIn() && !(await takenOver())) return undefined;
    try {
      const url = location.pathname + location.search;
      show(await parsed(await EC.session.fetch(url, { headers: { Accept: "text/html" } })));
    } catch (error) {
      if (error instanceof EC.session.SignInNeeded) return invite();
      say("This page cannot be shown now", EC.problems.words(error), ["Try again", () => void open()]);
    }
  }

  async function finish() {
    try {
      const { token, back } = await EC.issuer.finish();
      EC.keeping.keep("token", token);
      // Only ever a place of this origin, whatever was kept.
      const url = new URL(back, location.origin);
      location.replace(url.origin === location.origin ? url.href : overview());
    } catch (error) {
      say("Sign-in did not work", EC.problems.words(error), ["To the overview", () => location.replace(overview())]);
    }
  }

  EC.start("sign-in", (page) => {
    if (page.page === SIGNED_IN) return finish();
    return page.page === SHELL ? open() : undefined;
  });
})();
