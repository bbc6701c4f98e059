// Shows a code large, on white, with the screen awake. A family with a code each goes from one to
// the next by the arrows, the keyboard or a swipe, while the phone stays at the reader.

import { maySleep, stayAwake } from "./awake.js";
import { follow } from "./rotating.js";

const SWIPE_PX = 48;

export function enlarge(dialog) {
  const place = dialog.querySelector("[data-qr-large]");
  const name = dialog.querySelector("[data-qr-name]");
  const steps = [...dialog.querySelectorAll("[data-step]")];
  const openers = [...document.querySelectorAll("[data-qr]")];
  let at = 0;
  let stop = () => {};

  const show = (index) => {
    stop();
    at = index;
    const { qr, name: said } = openers[at].dataset;
    const copy = document.getElementById(qr).cloneNode(true);
    copy.removeAttribute("id");
    place.replaceChildren(copy);
    stop = copy.dataset.token ? follow(copy) : () => {};
    name.textContent = said;
    for (const step of steps) {
      step.setAttribute("aria-disabled", String(!openers[at + Number(step.dataset.step)]));
    }
  };
  const go = (by) => {
    if (openers[at + by]) show(at + by);
  };

  for (const step of steps) step.addEventListener("click", () => go(Number(step.dataset.step)));
  openers.forEach((opener, index) => {
    opener.addEventListener("click", () => {
      show(index);
      dialog.showModal();
      stayAwake();
    });
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });

  // Only a finger swipes: a mouse that is dragged has the arrows.
  let began = null;
  dialog.addEventListener("pointerdown", (event) => {
    began = event.isPrimary && event.pointerType !== "mouse" ? event : null;
  });
  dialog.addEventListener("pointerup", (event) => {
    if (!began || event.pointerId !== began.pointerId) return;
    const [x, y] = [event.clientX - began.clientX, event.clientY - began.clientY];
    if (Math.abs(x) > Math.max(SWIPE_PX, 2 * Math.abs(y))) go(x < 0 ? 1 : -1);
  });

  dialog.addEventListener("close", () => {
    stop();
    stop = () => {};
    maySleep();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
