// Shows the total while the quantity is chosen. The amount that counts is worked out by the server.
"use strict";
(() => {
  const form = document.querySelector("form[data-price]");
  const quantity = form.querySelector("#quantity");
  const total = form.querySelector("[data-total]");
  const { price, places, currency } = form.dataset;
  const digits = { minimumFractionDigits: Number(places), maximumFractionDigits: Number(places) };
  const shown = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...digits });

  function show() {
    const count = quantity.validity.valid ? Number(quantity.value) : 0;
    total.hidden = !count;
    if (count) total.querySelector("output").textContent = shown.format((count * Number(price)) / 10 ** Number(places));
  }
  quantity.addEventListener("input", show);
  show();
})();
