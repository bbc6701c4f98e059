// What every page may use. Each part only improves something that works without it.

function stepperWorks(stepper) {
  const input = stepper.querySelector("input");
  const buttons = [...stepper.querySelectorAll("[data-step]")];
  const bound = (name, fallback) => (input[name] === "" ? fallback : Number(input[name]));
  const refresh = () => {
    const value = Number(input.value);
    for (const button of buttons) {
      button.disabled =
        Number(button.dataset.step) < 0 ? value <= bound("min", -Infinity) : value >= bound("max", Infinity);
    }
  };
  for (const button of buttons) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const wanted = Number(input.value || 0) + Number(button.dataset.step);
      input.value = String(Math.min(bound("max", Infinity), Math.max(bound("min", -Infinity), wanted)));
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  input.addEventListener("input", refresh);
  stepper.classList.add("stepper-live");
  refresh();
}

function improve(root) {
  for (const stepper of root.querySelectorAll("[data-stepper]:not(.stepper-live)")) stepperWorks(stepper);
  // Browsers offer the clipboard over HTTPS alone.
  if (navigator.clipboard) for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

improve(document);
document.addEventListener("htmx:load", (event) => improve(event.target));

// htmx says nothing by itself when the network is gone.
document.addEventListener("htmx:sendError", () => {
  const flash = document.getElementById("flash");
  const notice = document.createElement("div");
  notice.className = "notice notice-bad";
  notice.textContent = flash.dataset.offline;
  flash.replaceChildren(notice);
  flash.scrollIntoView();
});

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    await navigator.clipboard.writeText(copier.dataset.copy);
    const said = copier.querySelector("span") ?? copier;
    const before = said.textContent;
    said.textContent = copier.dataset.copied;
    setTimeout(() => (said.textContent = before), 2000);
  }
  // A click beside the menu closes it.
  for (const menu of document.querySelectorAll("details.console-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  // data-again: the answer is a file, so this page stays and its button is needed again.
  if (form.method === "dialog" || event.defaultPrevented || "again" in form.dataset) return;
  // A second tap must not send twice; the button's own value still travels with this submit.
  setTimeout(() => {
    for (const button of form.querySelectorAll('button[type="submit"]')) {
      button.setAttribute("aria-busy", "true");
      button.disabled = true;
    }
  });
});

// A page that comes back from the browser's memory must be usable again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll('button[aria-busy="true"]')) {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
});

document.querySelector("[data-focus]")?.focus();
