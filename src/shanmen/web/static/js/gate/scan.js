// The scanner page: what is scanned goes to the server, what it decides fills the screen.

import { Camera } from "./camera.js";
import { askCorrection, askNumber, askPersons } from "./dialogs.js";
import { newId } from "./ids.js";
import { Refused, Sender, call } from "./net.js";
import { play } from "./sound.js";
import { View } from "./view.js";
import { listenToWedge } from "./wedge.js";

const STATE_EVERY_MS = 15_000;
const SHOWN_MS = { admit: 6000, out: 6000, undone: 6000, refuse: 20_000 };
const WORKING_AFTER_MS = 250;
const OWN_CODE_CHARS = 60;

const root = document.getElementById("scanner");
const base = `/gate/${root.dataset.lane}`;
const view = new View(root, JSON.parse(root.dataset.texts));
document.body.classList.add("gate-live");

let open = Boolean(root.dataset.open);
let shown = null; // the answer on the screen
let decided = 0; // answers so far
let undoable = null; // the last admission of this page
let pendingCode = null; // a code that waits for its document
let direction = null;
let part = false;
let sound = localStorage.getItem("gate-sound") !== "off";
let fade = 0;
let working = 0;

const noise = (kind) => { if (sound) play(kind); };

function ready() {
  shown = null;
  if (!open) {
    view.show("warn", { word: view.text("lane_closed"), sentence: view.text("lane_closed_detail"), quiet: true });
    return;
  }
  view.show("ready", {
    word: view.text("ready"),
    sentence: pendingCode ? view.text("show_document_ask") : view.text("ready_detail"),
    buttons: pendingCode ? ["cancel"] : undoable ? ["undo"] : [],
    quiet: true,
  });
}

function settle(answer) {
  decided += 1;
  clearTimeout(working);
  clearTimeout(fade);
  shown = answer;
  if (answer.can_undo) undoable = answer;
  if (answer.kind === "undone") undoable = null;
  view.answer(answer);
  view.remember(answer);
  noise(answer.kind === "refuse" ? "refuse" : answer.kind === "undone" ? "warn" : "admit");
  fade = setTimeout(() => { if (!document.querySelector("dialog[open]")) ready(); }, SHOWN_MS[answer.kind]);
}

function failure(error) {
  const problem = error instanceof Refused ? error.problem : null;
  if (error instanceof Refused && error.status === 401) return [view.text("session_over"), view.text("session_over_detail")];
  if (problem) return [problem.title, problem.detail === problem.title ? "" : problem.detail];
  return [view.text("no_connection"), ""];
}

const sender = new Sender(`${base}/scan`, {
  working() {
    clearTimeout(fade);
    clearTimeout(working);
    working = setTimeout(() => view.show("working", { word: view.text("working"), quiet: true }), WORKING_AFTER_MS);
  },
  waiting(scan, count) {
    clearTimeout(working);
    const more = count > 1 ? view.text("pending", { count }) : "";
    view.show("warn", {
      word: view.text("no_connection"),
      sentence: view.text("no_connection_detail"),
      tell: more,
      buttons: ["cancel"],
      quiet: scan.told,
    });
    if (!scan.told) noise("warn");
    Object.defineProperty(scan, "told", { value: true, configurable: true });
  },
  answered(scan, answer, ms) {
    root.dataset.lastMs = Math.round(ms);
    if (answer.needs_document) pendingCode = scan;
    settle(answer);
    if (!answer.needs_document) pendingCode = null;
    bump(answer);
  },
  failed(scan, error) {
    clearTimeout(working);
    const [word, sentence] = failure(error);
    view.show("warn", { word, sentence });
    noise("warn");
    if (error instanceof Refused && error.status === 401) {
      location.assign(`/console/login?next=${encodeURIComponent(base)}`);
    }
  },
  link: (up) => view.link(up),
});

function bump(answer) {
  const figure = view.counts[answer.kind === "refuse" ? "refused" : answer.kind === "out" ? "left" : "entered"];
  if (figure) figure.textContent = Number(figure.textContent) + (answer.kind === "refuse" ? 1 : answer.persons);
}

async function submit(code, kind = "auto") {
  const text = code.trim();
  if (!text) return;
  const scan = { scan_id: newId(), code: text, kind };
  // After a code that asks for a document, the next short text is that document.
  if (pendingCode && text.length < OWN_CODE_CHARS) {
    Object.assign(scan, { code: pendingCode.code, kind: pendingCode.kind, document: text });
    if (pendingCode.persons) scan.persons = pendingCode.persons;
  } else if (part) {
    const persons = await askPersons();
    if (persons === null) return;
    scan.persons = persons;
  }
  if (direction) scan.direction = direction;
  sender.send(scan);
}

listenToWedge((text) => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  submit(text);
});

// ---- corrections

function correct(action, answer, extra) {
  return askCorrection({
    action,
    ...extra,
    title: view.text(`${action}_title`),
    button: view.text(`${action}_send`),
    send: (body) => call(`${base}/scans/${answer.scan_id}/${action}`, body),
    failed: (error) => failure(error).filter(Boolean).join(" "),
  }).then((result) => {
    if (!result) return;
    settle(result);
    refresh();
  });
}

view.buttons.override.addEventListener("click", () => {
  if (!shown) return;
  const most = Math.max(1, shown.party_size);
  correct("override", shown, { hint: shown.sentence, persons: { max: most, value: Math.min(most, Math.max(1, shown.persons_left)) } });
});
view.buttons.undo.addEventListener("click", () => {
  const answer = shown?.can_undo ? shown : undoable;
  if (answer) correct("undo", answer, { hint: view.text("undo_hint", { persons: answer.persons }) });
});
view.buttons.document.addEventListener("click", async () => {
  const number = await askNumber({ title: view.text("show_document") });
  if (number) submit(number, "document");
});
view.buttons.cancel.addEventListener("click", () => {
  sender.cancel();
  pendingCode = null;
  ready();
});

// ---- the bar

function label(button, text) {
  button.querySelector("span").textContent = text;
  button.blur();
}

const camera = new Camera(document.getElementById("camera"), root.dataset, { onCode: (text) => submit(text), onEnd: showCamera });
const cameraButton = document.getElementById("camera-button");
function showCamera() {
  camera.video.hidden = !camera.running;
  root.classList.toggle("gate-with-camera", camera.running);
  cameraButton.setAttribute("aria-pressed", String(camera.running));
  label(cameraButton, view.text(camera.running ? "camera_stop" : "camera"));
}
cameraButton.addEventListener("click", async () => {
  if (camera.running) {
    camera.stop();
  } else {
    cameraButton.disabled = true; // It takes a while where the phone asks, and a second press would start it twice.
    try {
      await camera.start();
    } catch (error) {
      camera.stop();
      view.show("warn", { word: view.text("camera"), sentence: view.text(error.message) });
    }
    cameraButton.disabled = false;
  }
  showCamera();
});

const keypadButton = document.getElementById("keypad-button");
keypadButton.addEventListener("click", async () => {
  const number = await askNumber({ title: view.text("keypad") });
  keypadButton.blur();
  if (number) submit(number);
});

const partButton = document.getElementById("part-button");
partButton.addEventListener("click", () => {
  part = !part;
  partButton.setAttribute("aria-pressed", String(part));
  partButton.blur();
});

const soundButton = document.getElementById("sound-button");
function showSound() {
  soundButton.setAttribute("aria-pressed", String(sound));
  label(soundButton, view.text(sound ? "sound_on" : "sound_off"));
}
soundButton.addEventListener("click", () => {
  sound = !sound;
  localStorage.setItem("gate-sound", sound ? "on" : "off");
  showSound();
  noise("admit");
});
showSound();

const directionButton = document.getElementById("direction");
if (directionButton) {
  direction = "in";
  directionButton.addEventListener("click", () => {
    direction = direction === "in" ? "out" : "in";
    label(directionButton, view.text(`direction_${direction}`));
  });
}

// ---- what goes on beside the scans

async function refresh() {
  const before = decided;
  try {
    const state = await call(`${base}/state`);
    view.link(true);
    // What was decided meanwhile is perhaps not counted in it.
    if (decided !== before) return;
    view.state(state);
    if (state.open !== open) {
      open = state.open;
      if (!shown) ready();
    }
  } catch (error) {
    if (error instanceof Refused && error.status === 401) location.assign(`/console/login?next=${encodeURIComponent(base)}`);
    else view.link(false);
  }
}

setInterval(() => { if (!document.hidden && !sender.busy) refresh(); }, STATE_EVERY_MS);
window.addEventListener("offline", () => view.link(false));
window.addEventListener("online", refresh);

let lock = null;
async function keepAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  lock = await navigator.wakeLock.request("screen").catch(() => lock);
}
document.addEventListener("visibilitychange", () => { keepAwake(); if (!document.hidden) refresh(); });
keepAwake();
ready();
