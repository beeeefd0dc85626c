// The lab's stand-in for be_gateway.js: the same constructor, the token's page in a frame above the seller's.
// It draws nothing by markup and sets no style attribute, so that it works under a page's strict policy.
(() => {
  window.BeGateway = class {
    #frame = null;
    #held = null;
    #heard = (event) => this.#hear(event);
    constructor(options) {
      this.options = options;
    }
    createWidget() {
      if (this.#frame) return;
      const { checkout_url: base, token } = this.options;
      if (!base || !token) { this.options.closeWidget?.("error"); return; }
      const frame = document.createElement("iframe");
      const address = new URL(`${base.replace(/\/$/, "")}/checkout`);
      address.searchParams.set("token", token);
      address.searchParams.set("frame", location.origin);
      frame.title = "Secure Processor checkout";
      Object.assign(frame.style, {
        position: "fixed", inset: "0", width: "100%", height: "100%", border: "0", zIndex: "2147483647",
        background: "Canvas", colorScheme: "light dark",
      });
      frame.src = address.href;
      this.#held = document.activeElement;
      this.#frame = frame;
      window.addEventListener("message", this.#heard);
      document.body.append(frame);
      frame.focus();
    }
    #hear(event) {
      const lab = new URL(this.options.checkout_url).origin;
      if (event.origin !== lab || event.source !== this.#frame?.contentWindow) return;
      if (!event.data || !("begateway" in event.data)) return;
      window.removeEventListener("message", this.#heard);
      this.#frame.remove();
      this.#frame = null;
      this.#held?.focus?.();
      // successful, failed, pending, error; null where the buyer left without paying.
      this.options.closeWidget?.(event.data.begateway?.status ?? null);
    }
  };
})();
