// The order's page: counts the hold down, waits for the money, keeps the e-ticket for offline use,
// shows a code large with the screen awake, and makes codes that change.

import { follow } from "./rotating.js";

const address = location.pathname;

// --- The hold ---

const countdown = document.querySelector("[data-countdown]");
if (countdown) {
  const ends = performance.now() + Number(countdown.dataset.countdown) * 1000;
  const extend = document.querySelector("[data-extend]");
  const tick = () => {
    const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
    if (extend) extend.hidden = left > Number(extend.dataset.extend);
    countdown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left === 0) location.replace(address);
    else setTimeout(tick, 250);
  };
  tick();
}

// --- The money ---

const waiting = document.querySelector("[data-waiting]");
if (waiting) {
  const began = performance.now();
  const look = async () => {
    const waited = Math.floor((performance.now() - began) / 1000);
    try {
      const answer = await fetch(`${waiting.dataset.waiting}?waited=${waited}`, {
        headers: { accept: "application/json" },
        cache: "no-store",
      });
      if (answer.ok && (await answer.json()).status !== waiting.dataset.state) {
        location.replace(address);
        return;
      }
    } catch {
      // Without network it is tried again.
    }
    // After two minutes the visitor decides: the page says that it is not paid.
    if (waited > 120) location.replace(address);
    else setTimeout(look, waited < 10 ? 1000 : 3000);
  };
  setTimeout(look, 700);
}

// --- Without network ---

const live = document.querySelector("[data-keep]");
const offline = document.querySelector("[data-offline-note]");
const showOffline = () => {
  if (offline) offline.hidden = navigator.onLine;
};
window.addEventListener("online", showOffline);
window.addEventListener("offline", showOffline);
showOffline();

async function keep() {
  const registration = await navigator.serviceWorker.register("/s/sw.js", { scope: "/s/" });
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  const files = [...document.querySelectorAll('link[rel~="stylesheet"], link[rel="icon"], script[src]')]
    .map((element) => element.href || element.src)
    .filter((file) => new URL(file).origin === location.origin);
  const more = performance.getEntriesByType("resource").map((entry) => entry.name);
  const own = more.filter((file) => file.startsWith(`${location.origin}/static/`));
  worker.postMessage({ keep: address, files: [...new Set([...files, ...own])] });
}
if ("serviceWorker" in navigator && window.isSecureContext) {
  if (live) keep().catch(() => {});
  else navigator.serviceWorker.controller?.postMessage({ look: address });
}

// --- A code, large ---

const dialog = document.getElementById("qr-large");
if (dialog) {
  const place = dialog.querySelector("[data-qr-large]");
  const name = dialog.querySelector("[data-qr-name]");
  let awake = null;
  let stop = () => {};
  const stayAwake = async () => {
    try {
      awake = await navigator.wakeLock?.request("screen");
    } catch {
      awake = null;
    }
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-qr]");
    if (!opener) return;
    const shown = document.getElementById(opener.dataset.qr);
    const copy = shown.cloneNode(true);
    copy.removeAttribute("id");
    place.replaceChildren(copy);
    stop = copy.dataset.token ? follow(copy) : () => {};
    name.textContent = opener.closest(".eticket").querySelector("h2").textContent;
    dialog.showModal();
    stayAwake();
  });
  dialog.addEventListener("close", () => {
    stop();
    awake?.release();
    awake = null;
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.addEventListener("visibilitychange", () => {
    if (dialog.open && document.visibilityState === "visible") stayAwake();
  });
}

for (const code of document.querySelectorAll(".eticket [data-token]")) follow(code);
