// The number pad, how many of a party enter, and corrections. Each asks and returns a promise.

const byId = (id) => document.getElementById(id);

for (const closer of document.querySelectorAll("dialog [data-close]")) {
  closer.addEventListener("click", () => closer.closest("dialog").close());
}

// Opens a dialog; resolves with what `read` returns on submit, or null when it is closed.
function ask(dialog, read, prepare) {
  return new Promise((resolve) => {
    const form = dialog.querySelector("form");
    const controller = new AbortController();
    const { signal } = controller;
    let result = null;
    form.addEventListener("submit", (event) => { event.preventDefault(); result = read(); if (result !== null) dialog.close(); }, { signal });
    dialog.addEventListener("close", () => { controller.abort(); document.activeElement?.blur(); resolve(result); }, { signal });
    prepare?.({ signal, finish: (value) => { result = value; dialog.close(); } });
    dialog.showModal();
  });
}

export function askNumber({ title }) {
  const dialog = byId("keypad");
  const input = byId("keypad-input");
  dialog.querySelector("h2").textContent = title;
  input.value = "";
  const letters = dialog.querySelector("[data-letters]");
  // Passports and tickets have letters: the phone's own keyboard comes instead of the number pad's.
  const useLetters = (wanted) => {
    input.inputMode = wanted ? "text" : "none";
    letters.setAttribute("aria-pressed", String(wanted));
  };
  useLetters(false);
  return ask(dialog, () => input.value.trim() || null, ({ signal }) => {
    letters.addEventListener("click", () => {
      useLetters(input.inputMode !== "text");
      // A phone shows or hides its keyboard only when a field gets the focus anew.
      input.blur();
      input.focus({ preventScroll: true });
    }, { signal });
    for (const key of dialog.querySelectorAll("[data-key]")) {
      key.addEventListener("click", () => {
        input.value = key.dataset.key === "delete" ? input.value.slice(0, -1) : input.value + key.dataset.key;
        input.focus({ preventScroll: true });
      }, { signal });
    }
    requestAnimationFrame(() => input.focus());
  });
}

export function askPersons() {
  const dialog = byId("party");
  const count = byId("party-count");
  let persons = 1;
  const put = (value) => { persons = Math.min(99, Math.max(1, value)); count.textContent = persons; };
  put(1);
  return ask(dialog, () => persons, ({ signal, finish }) => {
    for (const key of dialog.querySelectorAll("[data-persons]")) {
      key.addEventListener("click", () => finish(Number(key.dataset.persons)), { signal });
    }
    for (const step of dialog.querySelectorAll("[data-party-step]")) {
      step.addEventListener("click", () => put(persons + Number(step.dataset.partyStep)), { signal });
    }
    dialog.addEventListener("keydown", (event) => {
      if (/^[1-9]$/.test(event.key)) { event.preventDefault(); put(Number(event.key)); }
    }, { signal });
  });
}

// Sends by `send(body)` and stays open with the problem when that is refused.
export function askCorrection({ action, title, hint, button, persons, send, failed }) {
  const dialog = byId("correct");
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  byId("correct-title").textContent = title;
  part("hint").textContent = hint;
  part("hint").hidden = !hint;
  part("send").textContent = button;
  part("error").hidden = true;
  part("persons-field").hidden = persons === undefined;
  const number = byId("correct-persons");
  number.disabled = persons === undefined;
  if (persons !== undefined) { number.max = persons.max; number.value = persons.value; }
  const reason = byId("correct-reason");
  reason.value = "";
  const supervisor = part("supervisor");
  byId("correct-password").value = "";
  return ask(dialog, () => null, ({ signal, finish }) => {
    for (const offered of dialog.querySelectorAll("[data-reason]")) {
      offered.hidden = offered.dataset.reason !== action;
      offered.addEventListener("click", () => { reason.value = offered.textContent; }, { signal });
    }
    dialog.querySelector("form").addEventListener("submit", async () => {
      part("send").disabled = true;
      const body = { reason: reason.value };
      if (persons !== undefined) body.persons = Number(number.value);
      if (!supervisor.disabled) {
        body.login = byId("correct-login").value;
        body.password = byId("correct-password").value;
      }
      try {
        finish(await send(body));
      } catch (error) {
        part("error").textContent = failed(error);
        part("error").hidden = false;
        byId("correct-password").value = "";
      } finally {
        part("send").disabled = false;
      }
    }, { signal });
  });
}
