// Keeps the screen on while a code is held to a reader, and not a moment longer.

let wanted = false;
let lock = null;

// Phones without it turn the screen off as they always do; a phone that is low on power refuses.
async function take() {
  if (!wanted || lock || document.visibilityState !== "visible") return;
  const got = await navigator.wakeLock?.request("screen").catch(() => null);
  if (!got) return;
  // The code may have been closed while the phone was asked.
  if (!wanted || lock) {
    got.release();
    return;
  }
  lock = got;
  // The phone takes it back when another app comes to the front.
  got.addEventListener("release", () => {
    if (lock === got) lock = null;
  });
}

document.addEventListener("visibilitychange", take);

export function stayAwake() {
  wanted = true;
  take();
}

export function maySleep() {
  wanted = false;
  lock?.release();
  lock = null;
}
