// The order's page: counts the hold down, waits for the money, keeps the e-ticket for offline use,
// shows a code large, and makes codes that change.

import { enlarge } from "./large.js";
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
const changed = document.querySelector("[data-changed-note]");
const worker = navigator.serviceWorker;
// Whether the worker has brought this page, and so has kept it.
const brought = Boolean(worker?.controller);
let isKept = false;
const showOffline = () => {
  offline.hidden = navigator.onLine && !isKept;
};
window.addEventListener("online", showOffline);
window.addEventListener("offline", showOffline);
showOffline();
// Of a weak network the phone knows nothing; the worker has waited for it, and hears the answer.
worker?.addEventListener("message", ({ data }) => {
  if (!data?.ticket) return;
  isKept = data.ticket === "kept";
  showOffline();
  changed.hidden = data.ticket !== "changed";
});

async function keep() {
  const registration = await worker.register("/s/sw.js", { scope: "/s/" });
  const keeper = registration.active ?? registration.waiting ?? registration.installing;
  const files = [...document.querySelectorAll('link[rel~="stylesheet"], link[rel="icon"], script[src]')]
    .map((element) => element.href || element.src)
    .filter((file) => new URL(file).origin === location.origin);
  const more = performance.getEntriesByType("resource").map((entry) => entry.name);
  const own = more.filter((file) => file.startsWith(`${location.origin}/static/`));
  keeper.postMessage({ keep: address, files: [...new Set([...files, ...own])], brought });
}
if (worker && window.isSecureContext) {
  if (live) keep().catch(() => {});
  else worker.controller?.postMessage({ look: address });
}

// --- The codes ---

const dialog = document.getElementById("qr-large");
if (dialog) enlarge(dialog);
for (const code of document.querySelectorAll(".eticket [data-token]")) follow(code);
