// The server's time, as well as this phone knows it: gates go by the server's clock, and a phone's
// may be minutes off. How far it is off is asked whenever there is network, and kept for when there
// is none. It is never told by the page itself, which may have been kept since days.

const KEPT = "shanmen-clock-off-ms";
const WHERE = "/s/now.json";
// Of a slower answer nobody knows when on its way the time was taken.
const SLOWEST_MS = 10_000;

function kept() {
  try {
    return Number(localStorage.getItem(KEPT)) || 0;
  } catch {
    return 0;
  }
}

let offMs = kept();

// Milliseconds since 1970, by the server's clock.
export const now = () => Date.now() + offMs;

let asking = null;

// Asks the server for its time, once for all codes of a page; without network what is known stays.
export function measure() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask() {
  try {
    const began = performance.now();
    const answer = await fetch(WHERE, { headers: { accept: "application/json" }, cache: "no-store" });
    const tripMs = performance.now() - began;
    const phoneMs = Date.now();
    if (!answer.ok || tripMs > SLOWEST_MS) return;
    const { now_ms: serverMs } = await answer.json();
    if (!Number.isFinite(serverMs)) return;
    offMs = Math.round(serverMs + tripMs / 2 - phoneMs);
    localStorage.setItem(KEPT, String(offMs));
  } catch {
    // Without network, or without a place to keep it.
  }
}
