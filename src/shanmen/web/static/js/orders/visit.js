// Keeps the sum in the bar in step with the chosen tickets, and says which of them do not admit at
// the chosen time; the server counts and looks again.

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
  const timed = [...form.querySelectorAll("[data-outside]")].map((row) => {
    const input = row.querySelector('input[type="number"]');
    return {
      row,
      input,
      most: input.max,
      slots: row.dataset.outside.split(" "),
      note: row.querySelector("[data-outside-note]"),
    };
  });
  const compare = () => {
    const chosen = new Set([...form.querySelectorAll('input[type="radio"]:checked')].map((radio) => radio.value));
    for (const { row, input, most, slots, note } of timed) {
      const outside = slots.some((slot) => chosen.has(slot));
      const wanted = Number(input.value) > 0;
      note.hidden = !outside;
      row.classList.toggle("quantity-outside", outside);
      // What was chosen before stays to be seen, and can only be taken away.
      input.max = outside ? "0" : most;
      input.disabled = outside && !wanted;
      input.setCustomValidity(outside && wanted ? note.textContent.trim() : "");
      for (const select of row.querySelectorAll("select")) select.disabled = outside;
      // The buttons beside it follow its limits; this event is for them alone.
      input.dispatchEvent(new Event("input"));
    }
    refresh();
  };
  form.addEventListener("input", compare);
  window.addEventListener("pageshow", compare);
  compare();
  // Nothing that was not chosen belongs into the address.
  form.addEventListener("submit", () => {
    const idle = [...form.querySelectorAll('input[type="number"], select')].filter(
      (field) => field.value === "" || field.value === "0",
    );
    for (const field of idle) field.disabled = true;
    setTimeout(() => {
      for (const field of idle) field.disabled = false;
      compare();
    });
  });
}
