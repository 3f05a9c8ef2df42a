// The keys an analyst supplies: pasted, dropped or chosen; kept in this browser only when they ask for it, by a name.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const STORE = "export-center.trusted-keys";
  const MAX_KEY = 64 << 10;

  /** Return the remembered keys, name to PEM; none where the browser keeps nothing. */
  function remembered() {
    try {
      const found = JSON.parse(localStorage.getItem(STORE) ?? "{}");
      return new Map(Object.entries(found).filter(([, pem]) => typeof pem === "string"));
    } catch {
      return new Map();
    }
  }

  function keep(keys) {
    try {
      localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(keys)));
    } catch {
      EC.dom.announce("This browser keeps nothing for this page; the key is used, but not remembered.");
    }
  }

  class Trusted {
    constructor(element, changed) {
      const { h } = EC.dom;
      Object.assign(this, { changed, keys: [], asked: 0 });
      this.text = h("textarea", {
        id: "trusted-pem", rows: 5, spellcheck: false, autocomplete: "off",
        placeholder: "-----BEGIN PUBLIC KEY-----", oninput: () => this.read(),
      });
      this.said = h("p", { class: "said", id: "trusted-said", role: "status" });
      this.file = h("input", { type: "file", accept: ".pub,.pem,.txt", hidden: true, onchange: () => this.open(this.file.files) });
      this.box = h("input", { type: "checkbox", id: "trusted-keep", onchange: () => this.toggle() });
      this.name = h("input", { id: "trusted-name", maxlength: 60, disabled: true, placeholder: "a name for it", "aria-label": "Name of the key" });
      this.kept = h("ul", { class: "kept" });
      this.text.setAttribute("aria-describedby", "trusted-said");
      element.replaceChildren(...this.layout());
      this.dropping(element);
      this.list();
    }

    layout() {
      const { h } = EC.dom;
      return [
        this.kept,
        h("label", { for: "trusted-pem" }, "Public key or keys in PEM: paste, drop or choose the file"),
        this.text,
        h("p", { class: "buttons" }, h("button", { type: "button", class: "button", onclick: () => this.file.click() }, "Choose a key file"), this.file),
        this.said,
        h("p", { class: "remember" }, this.box, h("label", { for: "trusted-keep" }, "Remember it in this browser as"), this.name),
      ];
    }

    dropping(element) {
      element.addEventListener("dragover", (event) => event.preventDefault());
      element.addEventListener("drop", (event) => {
        if (!event.dataTransfer.files.length) return;
        event.preventDefault();
        this.open(event.dataTransfer.files);
      });
    }

    async open(files) {
      const small = Array.from(files).filter((file) => file.size <= MAX_KEY);
      const texts = await Promise.all(small.map((file) => file.text()));
      this.file.value = "";
      this.use(texts.join("\n") || "-");
    }

    use(pem) {
      this.text.value = pem.trim();
      return this.read();
    }

    toggle() {
      this.name.disabled = !this.box.checked;
      if (this.box.checked) this.name.focus();
    }

    /** Read what stands in the field, and say which keys that are. */
    async read() {
      const turn = ++this.asked;
      const text = this.text.value.trim();
      let [keys, said] = [[], ""];
      try {
        if (text) keys = await EC.pem.parse(text);
        said = keys.map(({ label, keyId }) => `${label}, key id ${keyId}`).join("\n");
      } catch (error) {
        said = `${error.message[0].toUpperCase()}${error.message.slice(1)}. ${error.advice ?? ""}`;
      }
      if (turn !== this.asked) return;
      this.keys = keys;
      this.said.textContent = said;
      this.said.classList.toggle("bad", Boolean(text) && !keys.length);
      this.changed(this);
    }

    get pem() {
      return this.keys.map(({ pem }) => pem).join("");
    }

    /** Keep the keys under their name when that was asked for. */
    remember() {
      const name = this.name.value.trim();
      if (!this.box.checked || !name || !this.keys.length) return;
      keep(remembered().set(name, this.pem));
      this.list();
    }

    forget(name) {
      const keys = remembered();
      keys.delete(name);
      keep(keys);
      this.list();
    }

    list() {
      const { h, visible } = EC.dom;
      const rows = [...remembered()].map(([name, pem]) => {
        const shown = visible(name);
        const use = h("button", { type: "button", class: "button", onclick: () => this.use(pem) }, shown);
        const drop = h("button", { type: "button", class: "forget", "aria-label": `Forget ${shown}`, onclick: () => this.forget(name) }, "Forget");
        return h("li", {}, use, drop);
      });
      this.kept.replaceChildren(...rows);
      this.kept.hidden = !rows.length;
    }
  }

  /**
   * Put a place for trusted keys into an element.
   * @param {Element} element emptied first
   * @param {(trusted: Trusted) => void} changed called when the keys are others; `trusted.pem` is "" when there is none
   */
  EC.trusted = (element, changed) => new Trusted(element, changed);
})();
