// Signing in: the PIN and a name, which then stands beside everything decided by hand.

const form = document.getElementById("login");
const problem = document.getElementById("problem");
form.elements.name.value = localStorage.getItem("guard-name") ?? "";
(form.elements.name.value ? form.elements.pin : form.elements.name).focus();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = form.elements.name.value.trim();
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ pin: form.elements.pin.value, name }),
  }).catch(() => null);
  if (answer?.ok) {
    localStorage.setItem("guard-name", name);
    location.assign("/");
    return;
  }
  const said = await answer?.json().catch(() => null);
  problem.textContent = said?.title ?? "…";
  problem.hidden = false;
  form.elements.pin.value = "";
  form.elements.pin.focus();
});
