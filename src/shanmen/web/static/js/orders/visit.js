// Keeps the sum in the bar in step with the chosen tickets; the server counts again.

const form = document.querySelector("[data-visit]");
const bar = document.querySelector("[data-total]");
if (form && bar) {
  const locale = document.documentElement.lang;
  const money = new Intl.NumberFormat(locale, { style: "currency", currency: "CNY" });
  const prices = [...form.querySelectorAll("[data-price]")].map((price) => ({
    fen: Number(price.dataset.price),
    input: document.getElementById(price.dataset.for),
  }));
  const refresh = () => {
    let count = 0;
    let fen = 0;
    for (const { fen: each, input } of prices) {
      const wanted = Math.max(0, Number(input?.value ?? 0) || 0);
      count += wanted;
      fen += wanted * each;
      input?.closest(".quantity")?.classList.toggle("quantity-on", wanted > 0);
    }
    if (count === 0) {
      const hint = Object.assign(document.createElement("span"), { className: "muted" });
      hint.textContent = bar.dataset.zero;
      bar.replaceChildren(hint);
      return;
    }
    const label = Object.assign(document.createElement("span"), { className: "muted" });
    label.textContent = bar.dataset.count.replace("#", String(count));
    const sum = Object.assign(document.createElement("strong"), { className: "price" });
    sum.textContent = money.format(fen / 100);
    bar.replaceChildren(label, sum);
  };
  form.addEventListener("input", refresh);
  window.addEventListener("pageshow", refresh);
  refresh();
  // Nothing that was not chosen belongs into the address.
  form.addEventListener("submit", () => {
    const idle = [...form.querySelectorAll('input[type="number"], select')].filter(
      (field) => field.value === "" || field.value === "0",
    );
    for (const field of idle) field.disabled = true;
    setTimeout(() => idle.forEach((field) => (field.disabled = false)));
  });
}
