/** Who is signed in, for which tenant, and the way out: in the header of every page of a signed-in tab. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});

  async function leave() {
    const elsewhere = await EC.session.signOut();
    const { h } = EC.dom;
    const own = elsewhere && new URL(elsewhere);
    if (own) own.searchParams.set("client_id", EC.page.auth.client);
    const words = h("section", { class: "small" }, [
      h("h2", {}, "You are signed out here"),
      h("p", {}, "This browser has forgotten the key and the tokens, in all tabs."),
      own && h("p", {}, "Your issuer may still know you: ", h("a", { href: own.href }, "sign out there too"), "."),
      h("p", {}, h("a", { href: `${EC.page.root}index.html` }, "Sign in again")),
    ]);
    // Nothing of the page stays but the way to others.
    const [site, footer] = [document.querySelector(".site"), document.querySelector("footer")];
    document.getElementById("session").replaceChildren();
    document.body.replaceChildren(
      h("header", { class: "top" }, h("div", { class: "wide" }, site, h("h1", {}, "Signed out"))),
      h("div", { class: "wide" }, h("main", { id: "main" }, words)),
      footer,
    );
    document.title = "Signed out: Export Center";
  }

  function tenantChoice() {
    const { h } = EC.dom;
    const tenants = EC.session.tenants();
    if (tenants.length < 2) return tenants.length ? h("span", {}, tenants[0]) : null;
    const one = (name) => h("option", { value: name, selected: name === EC.session.tenant() }, name);
    const choose = (event) => EC.session.choose(event.target.value);
    return h("label", {}, "Tenant ", h("select", { onchange: choose }, ...tenants.map(one)));
  }

  /** Shows it, where somebody is signed in. */
  function show() {
    if (!EC.page.auth || !EC.session.isSignedIn()) return;
    const { h } = EC.dom;
    const parts = [
      h("span", { class: "who" }, EC.session.who()),
      tenantChoice(),
      h("button", { type: "button", onclick: () => void leave() }, "Sign out"),
    ];
    document.getElementById("session")?.replaceChildren(...parts.filter(Boolean));
  }

  EC.start("session", show);
})();
