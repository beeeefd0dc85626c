// Shows the total while the quantity is chosen. The amount that counts is worked out by the server.
"use strict";
(() => {
  const form = document.querySelector("form[data-price]");
  const quantity = form.querySelector("#quantity");
  const total = form.querySelector("[data-total]");
  const { price, places, shown } = form.dataset; // `shown` is the price of one as the server writes it here
  const lang = document.documentElement.lang;
  // Browsers know no Uzbek numbers; Russian ones look the same.
  const number = new Intl.NumberFormat(lang === "uz" ? "ru" : lang, {
    minimumFractionDigits: Number(places), maximumFractionDigits: Number(places),
  });

  function show() {
    const count = quantity.validity.valid ? Number(quantity.value) : 0;
    total.hidden = !count;
    const amount = number.format((count * Number(price)) / 10 ** Number(places));
    if (count) total.querySelector("output").textContent = shown.replace(/\d[\d.,\u00a0]*\d|\d/, amount);
  }
  quantity.addEventListener("input", show);
  show();
})();
