// The part of a ticket's code that changes every 30 seconds (docs/ticket-format.md), made on the
// phone without network from the keys that came with the page.

import { measure, now } from "./clock.js";
import { qr } from "./qr.js";

const STEP_SECONDS = 30;
const BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));

function base45(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 2) {
    const two = at + 1 < data.length;
    let value = two ? data[at] * 256 + data[at + 1] : data[at];
    for (let digit = 0; digit < (two ? 3 : 2); digit += 1) {
      text += BASE45[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

export async function tail(key, step) {
  const secret = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const message = new Uint8Array([step >>> 24, (step >>> 16) & 255, (step >>> 8) & 255, step & 255]);
  const code = new Uint8Array(await crypto.subtle.sign("HMAC", secret, message)).slice(0, 5);
  return base45(new Uint8Array([step & 255, ...code]));
}

// Keeps the code in an element fresh; returns what ends that.
export function follow(element) {
  const keys = element.dataset.keys.split(",").filter(Boolean).map((entry) => {
    const [begins, ends, key] = entry.split(":");
    return { begins: Number(begins), ends: Number(ends), key: bytes(key) };
  });
  const note = element.closest(".eticket")?.querySelector("[data-rotating-note]");
  const label = element.querySelector("svg")?.getAttribute("aria-label") ?? "";
  let timer = 0;
  let shown = -1;
  let ended = false;
  const show = async (step) => {
    const day = keys.find((each) => each.begins <= step * STEP_SECONDS && step * STEP_SECONDS < each.ends);
    if (!day || step === shown || !crypto.subtle) return;
    shown = step;
    const text = element.dataset.token + (await tail(day.key, step));
    // Once the time was set right, a code that was begun before comes too late.
    if (shown !== step) return;
    element.replaceChildren(qr(text, label));
    if (note) note.textContent = note.dataset.live;
  };
  const draw = () => {
    clearTimeout(timer);
    const step = Math.floor(now() / 1000 / STEP_SECONDS);
    show(step);
    const next = (step + 1) * STEP_SECONDS * 1000 - now();
    if (!ended) timer = setTimeout(draw, Math.min(Math.max(next, 50), 5000));
  };
  // A page that was asleep must not show an old code, and the phone's clock may have been set.
  const wake = () => {
    if (document.visibilityState !== "visible") return;
    draw();
    measure().then(draw);
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  wake();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
  };
}
