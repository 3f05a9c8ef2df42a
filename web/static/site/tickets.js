/** Downloads of whoever is signed in: a link cannot carry a token, so each gets an address of its own for minutes. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});

  /** Returns an address that gives a bundle without a token; `href` is that of its download. */
  async function ticket(href) {
    const run = new URL(href, location.href).pathname.replace(/\/download$/, "");
    const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() };
    const answer = await EC.session.fetch(`${run}:ticket`, { method: "POST", headers, body: "{}" });
    if (!answer.ok) throw new Error(await EC.problems.ofAnswer(answer));
    const { location: path } = await answer.json();
    return `${EC.page.api}/tickets/${path.split("/").pop()}`;
  }

  async function fetched(link) {
    try {
      const anchor = EC.dom.h("a", { href: await ticket(link.href), download: link.download });
      document.body.append(anchor);
      anchor.click();
      anchor.remove();
    } catch (error) {
      EC.dom.announce(`It cannot be downloaded: ${EC.problems.words(error)}`);
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-download]");
    if (!link || !EC.page.auth || !link.href.startsWith(new URL(EC.page.api, location.href).href)) return;
    event.preventDefault();
    void fetched(link);
  });
})();
