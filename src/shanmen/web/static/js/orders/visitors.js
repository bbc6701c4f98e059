// Says at once when an ID number cannot be right; the server checks every kind of document.

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const EIGHTEEN = new Set(["id_card", "hmt_residence_permit"]);

const clean = (text) => text.normalize("NFKC").replace(/[\s-]/g, "").toUpperCase();

export function plausible(number) {
  if (!/^\d{17}[\dX]$/.test(number)) return false;
  const sum = WEIGHTS.reduce((total, weight, at) => total + weight * Number(number[at]), 0);
  return "10X98765432"[sum % 11] === number[17];
}

for (const row of document.querySelectorAll(".document-row")) {
  const kind = row.querySelector("select");
  const number = row.querySelector("input");
  const field = number.closest(".field");
  const judge = (leaving) => {
    const value = clean(number.value);
    const checked = EIGHTEEN.has(kind.value);
    number.inputMode = checked ? "text" : "text";
    field.classList.toggle("document-good", checked && plausible(value));
    if (leaving && value !== number.value && checked) number.value = value;
    const wrong = checked && leaving && value !== "" && !plausible(value);
    number.setAttribute("aria-invalid", String(wrong || field.classList.contains("field-bad")));
  };
  number.addEventListener("input", () => judge(false));
  number.addEventListener("change", () => judge(true));
  kind.addEventListener("change", () => judge(true));
}

// The button stands outside of its form, so the kit does not hold it back after the first tap.
const form = document.querySelector("[data-visitors]");
form?.addEventListener("submit", () => {
  const button = document.querySelector(`button[form="${form.id}"]`);
  setTimeout(() => {
    button?.setAttribute("aria-busy", "true");
    if (button) button.disabled = true;
  });
});
