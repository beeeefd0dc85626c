// The lab's stand-in for Razorpay's script: the same constructor, its page in a frame above the seller's.
// It draws nothing by markup and sets no style attribute, so that it works under a page's strict policy.
(() => {
  const script = document.currentScript;
  const base = new URL(".", script.src).href.replace(/\/v1\/$/, "");
  const lab = new URL(base).origin;

  const hidden = (form, name, value) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name, value: String(value) });
    form.append(input);
  };
  const formTo = (action, target) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action, target });
    document.body.append(form);
    return form;
  };
  const flat = (options) => {
    const fields = { key_id: options.key };
    for (const name of ["order_id", "amount", "currency", "name", "description", "callback_url"])
      if (options[name] !== undefined) fields[name] = options[name];
    fields.callback_url ??= location.href;
    for (const group of ["prefill", "notes"])
      for (const [name, value] of Object.entries(options[group] ?? {})) fields[`${group}[${name}]`] = value;
    return fields;
  };
  const errorOf = (fields) => {
    const error = {};
    for (const [name, value] of Object.entries(fields)) error[name.replace(/^error\[(\w+)\]$/, "$1")] = value;
    try { error.metadata = JSON.parse(error.metadata ?? "{}"); } catch { error.metadata = {}; }
    return error;
  };

  window.Razorpay = class {
    #listeners = {};
    #frame = null;
    #held = null;
    constructor(options) {
      this.options = options;
      this.heard = (event) => this.#hear(event);
    }
    on(name, listener) { (this.#listeners[name] ??= []).push(listener); }
    open() {
      if (this.#frame) return;
      const frame = document.createElement("iframe");
      frame.name = `razorpay-${Math.random().toString(36).slice(2)}`;
      frame.title = "Razorpay checkout";
      Object.assign(frame.style, {
        position: "fixed", inset: "0", width: "100%", height: "100%", border: "0", zIndex: "2147483647",
        background: "Canvas", colorScheme: "light dark",
      });
      this.#held = document.activeElement;
      document.body.append(frame);
      this.#frame = frame;
      window.addEventListener("message", this.heard);
      const form = formTo(`${base}/v1/checkout/embedded`, frame.name);
      for (const [name, value] of Object.entries(flat(this.options))) hidden(form, name, value);
      hidden(form, "_frame", location.origin);
      form.submit();
      form.remove();
      frame.focus();
    }
    close() {
      window.removeEventListener("message", this.heard);
      this.#frame?.remove();
      this.#frame = null;
      this.#held?.focus?.();
    }
    #hear(event) {
      if (event.origin !== lab || event.source !== this.#frame?.contentWindow) return;
      const told = event.data?.razorpay;
      if (!told) return;
      if (told.dismissed) {
        this.close();
        this.options.modal?.ondismiss?.();
        return;
      }
      const isGood = "razorpay_signature" in told.fields;
      if (this.options.callback_url && (isGood || this.options.redirect)) {
        const form = formTo(this.options.callback_url, "_self");
        for (const [name, value] of Object.entries(told.fields)) hidden(form, name, value);
        form.submit();
        return;
      }
      this.close();
      if (isGood) this.options.handler?.(told.fields);
      else for (const listener of this.#listeners["payment.failed"] ?? []) listener({ error: errorOf(told.fields) });
    }
  };
})();
