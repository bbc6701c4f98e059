// The guard's page: what the lanes decide comes as events; what the guard does goes as requests.

import { askCorrection, askNumber, askPersons } from "/static/js/gate/dialogs.js";
import { newId } from "/static/js/gate/ids.js";
import { Refused, Sender, call } from "/static/js/gate/net.js";
import { play } from "/static/js/gate/sound.js";
import { View } from "/static/js/gate/view.js";
import { listenToWedge } from "/static/js/gate/wedge.js";

const SHOWN_MS = { admit: 6000, out: 6000, undone: 6000, refuse: 20_000, warn: 20_000 };
const SILENT_MS = 15_000; // The agent says something at least every ten seconds.
const AGAIN_MS = 2000;
const NOISE = { admit: "admit", out: "admit", refuse: "refuse", undone: "warn", warn: "warn" };

const byId = (id) => document.getElementById(id);
const texts = JSON.parse(document.body.dataset.texts);
const view = new View(document.body, texts);
const page = (key, params) => view.text(`page.${key}`, params);

let state = null;
let chosen = localStorage.getItem("guard-lane");
let news = new Map(); // what each lane had said when it was looked at last
let shown = null;
let part = false;
let direction = "in";
let sound = localStorage.getItem("gate-sound") !== "off";
let fade = 0;
let heard = 0;
let lost = false;

const lane = () => state?.lanes.find((one) => one.id === chosen) ?? state?.lanes[0];
const label = (button, text) => { button.querySelector("span").textContent = text; };

// ---- the verdict

function ready() {
  clearTimeout(fade);
  shown = null;
  const here = lane();
  if (!here) {
    view.show("warn", { word: page("no_lanes"), sentence: page("no_lanes_hint"), quiet: true });
  } else if (here.mode === "closed") {
    view.show("warn", { word: view.text("lane_closed"), sentence: page("lane_closed"), quiet: true });
  } else {
    const last = here.last[0];
    const buttons = last?.can_undo ? ["undo"] : [];
    view.show("ready", { word: view.text("ready"), sentence: view.text("ready_detail"), buttons, quiet: true });
  }
}

function settle(answer, { quiet = false } = {}) {
  clearTimeout(fade);
  shown = answer;
  view.answer(answer);
  if (!quiet && sound) play(NOISE[answer.kind]);
  fade = setTimeout(() => { if (!document.querySelector("dialog[open]")) ready(); }, SHOWN_MS[answer.kind]);
}

// ---- what the agent says

function button(text, className, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function laneButton(one, here) {
  const made = button("", "guard-lane", () => choose(one.id));
  made.dataset.mode = one.mode;
  made.dataset.light = one.last[0]?.kind ?? "";
  made.setAttribute("aria-pressed", String(one.id === here?.id));
  made.append(element("strong", one.title), element("small", one.last[0] && one.mode === "open" ? one.last[0].word : one.state));
  return made;
}

function caseItem(one) {
  const item = document.createElement("li");
  item.append(element("strong", `${one.time} · ${one.lane} · ${one.persons} ${view.text(one.persons === 1 ? "person" : "persons")}`));
  item.append(element("div", [one.ticket, one.assumed].filter(Boolean).join(" · ")));
  const buttons = element("div", "", "cluster");
  for (const [entered, text] of [[true, "did_enter"], [false, "did_not_enter"]]) {
    const made = button(page(text), "button button-small button-quiet", () => act("/correct", { scan_id: one.scan_id, entered }));
    made.setAttribute("aria-pressed", String(one.entered === entered));
    buttons.append(made);
  }
  item.append(buttons);
  return item;
}

// Rebuilt only when it changed, so that a press is not lost under a finger.
function fill(parent, key, make) {
  if (parent.dataset.key === key) return;
  parent.dataset.key = key;
  parent.replaceChildren(...make());
}

function paint() {
  const here = lane();
  byId("place").textContent = state.place;
  byId("alarm").hidden = !state.emergency;
  byId("by-hand").hidden = !here?.by_hand;
  byId("by-hand-label").textContent = page("by_hand", { lane: here?.title });
  byId("revoked").hidden = !state.revoked;
  fill(byId("lanes"), JSON.stringify([here?.id, state.lanes.map((one) => [one.id, one.title, one.mode, one.state, one.last[0]?.kind, one.last[0]?.word])]), () => state.lanes.map((one) => laneButton(one, here)));
  fill(byId("notes"), JSON.stringify(state.notes), () => state.notes.map((note) => element("li", note.text, `note-${note.tone}`)));
  byId("cases").hidden = state.unresolved.length === 0;
  byId("cases-link").hidden = state.unresolved.length === 0;
  byId("cases-link").textContent = `${page("unresolved")} (${state.unresolved.length})`;
  fill(byId("case-list"), JSON.stringify(state.unresolved), () => state.unresolved.map(caseItem));
  byId("message").hidden = !here?.message;
  byId("message").textContent = here?.message ?? "";
  byId("fault").hidden = !here?.fault;
  byId("fault").textContent = here?.fault ? `${page("fault")}: ${here.fault}` : "";
  view.state({ counts: { people: here?.people ?? 0 }, last: (here?.last ?? []).slice(0, 10) });
  byId("lane-toggle").hidden = !here;
  byId("lane-toggle").textContent = here?.mode === "closed" ? page("open_lane") : page("close_lane");
  byId("direction").hidden = here?.direction !== "both";
  byId("emergency-button").hidden = state.emergency;
  lamp();
}

function lamp() {
  const tone = lost ? "bad" : state?.connected ? "good" : "warn";
  const text = lost ? page("page_lost") : page(state?.connected ? "online" : "offline");
  view.lamp.className = `lamp gate-js lamp-${tone}`;
  if (view.lamp.textContent !== text) view.lamp.textContent = text;
}

function take(next) {
  const first = state === null;
  const before = lane();
  state = next;
  const here = lane();
  paint();
  if (!here || first || lost) {
    for (const one of state.lanes) news.set(one.id, one.news);
    lost = false;
    lamp();
    ready();
    return;
  }
  const fresh = here.news !== news.get(here.id);
  for (const one of state.lanes) news.set(one.id, one.news);
  const answer = here.last[0];
  if (fresh && answer) {
    const told = shown && answer.scan_id && shown.scan_id === answer.scan_id && shown.kind === answer.kind;
    settle(answer, { quiet: Boolean(told) });
  } else if (!shown && before?.mode !== here.mode) {
    ready();
  }
}

function listen() {
  const source = new EventSource("/events");
  source.addEventListener("message", (event) => {
    heard = performance.now();
    take(JSON.parse(event.data));
  });
  source.addEventListener("error", async () => {
    // An agent that started anew may not know this guard any more.
    const answer = await fetch("/", { cache: "no-store" }).catch(() => null);
    if (answer?.ok && !(await answer.text()).includes('id="guard"')) location.assign("/");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  });
}

setInterval(() => {
  if (lost || !state || performance.now() - heard < SILENT_MS) return;
  lost = true;
  lamp();
  view.show("warn", { word: page("page_lost"), sentence: page("page_lost_detail") });
}, 1000);

// ---- what the guard does

function failure(error) {
  if (error instanceof Refused && error.problem) return [error.problem.title, error.problem.detail];
  return [page("page_lost"), page("page_lost_detail")];
}

function failed(error) {
  if (error instanceof Refused && error.status === 401) { location.assign("/"); return; }
  const [word, sentence] = failure(error);
  view.show("warn", { word, sentence });
  if (sound) play("warn");
}

async function act(path, body) {
  try {
    return await call(path, body);
  } catch (error) {
    failed(error);
    return null;
  }
}

const sender = new Sender("/scan", {
  working() {},
  waiting() { view.show("warn", { word: page("page_lost"), sentence: view.text("no_connection_detail"), buttons: ["cancel"], quiet: true }); },
  answered(scan, answer) { if (answer && scan.lane === lane()?.id && shown?.scan_id !== answer.scan_id) settle(answer); },
  failed(scan, error) { failed(error); },
  link() {},
});

async function submit(code, kind = "auto") {
  const here = lane();
  const text = code.trim();
  if (!here || !text) return;
  const scan = { scan_id: newId(), lane: here.id, code: text, kind };
  if (part) {
    const persons = await askPersons();
    if (persons === null) return;
    scan.persons = persons;
  }
  if (here.direction === "both") scan.direction = direction;
  sender.send(scan);
}

listenToWedge((text) => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  submit(text);
});

function correct(action, answer, extra) {
  return askCorrection({
    action,
    ...extra,
    title: view.text(`${action}_title`),
    button: view.text(`${action}_send`),
    send: (body) => call(`/${action}`, { ...body, lane: lane().id, scan_id: answer.scan_id }),
    failed: (error) => failure(error).filter(Boolean).join(" "),
  }).then((result) => { if (result && shown?.kind !== result.kind) settle(result); });
}

view.buttons.override.addEventListener("click", () => {
  if (!shown) return;
  const most = Math.max(1, shown.party_size);
  correct("override", shown, { hint: shown.sentence, persons: { max: most, value: Math.min(most, Math.max(1, shown.persons_left)) } });
});
view.buttons.undo.addEventListener("click", () => {
  const answer = shown?.can_undo ? shown : lane()?.last[0];
  if (answer?.can_undo) correct("undo", answer, { hint: view.text("undo_hint", { persons: answer.persons }) });
});
view.buttons.document.addEventListener("click", async () => {
  const number = await askNumber({ title: view.text("show_document") });
  if (number) submit(number, "document");
});
view.buttons.cancel.addEventListener("click", () => { sender.cancel(); ready(); });

function choose(id) {
  chosen = id;
  localStorage.setItem("guard-lane", id);
  document.activeElement?.blur();
  paint();
  ready();
}

function confirm({ title, detail, yes }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  dialog.querySelector("[data-part=detail]").textContent = detail;
  dialog.querySelector("[data-part=yes]").textContent = yes;
  return new Promise((resolve) => {
    const form = dialog.querySelector("form");
    let sure = false;
    const submitted = () => { sure = true; };
    form.addEventListener("submit", submitted, { once: true });
    dialog.addEventListener("close", () => { form.removeEventListener("submit", submitted); resolve(sure); }, { once: true });
    dialog.showModal();
  });
}

byId("emergency-button").addEventListener("click", async () => {
  if (await confirm({ title: page("emergency_ask"), detail: page("emergency_detail"), yes: page("emergency_open") })) act("/emergency", { on: true });
});
byId("emergency-end").addEventListener("click", async () => {
  if (await confirm({ title: page("emergency_end_ask"), detail: "", yes: page("emergency_end") })) act("/emergency", { on: false });
});
byId("by-hand").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = byId("by-hand-persons");
  const persons = input.valueAsNumber;
  const here = lane();
  if (!await confirm({ title: page("by_hand_ask", { persons, lane: here.title }), detail: page("by_hand_detail"), yes: page("by_hand_add") })) return;
  if (await act("/count", { lane: here.id, persons })) input.value = "";
});
byId("lane-toggle").addEventListener("click", () => act("/lane", { lane: lane().id, open: lane().mode === "closed" }));
byId("sync").addEventListener("click", () => act("/sync", {}));
byId("sign-out").addEventListener("click", async () => { await act("/logout", {}); location.assign("/"); });
byId("keypad-button").addEventListener("click", async () => {
  const number = await askNumber({ title: view.text("keypad") });
  byId("keypad-button").blur();
  if (number) submit(number);
});
byId("part-button").addEventListener("click", (event) => {
  part = !part;
  event.currentTarget.setAttribute("aria-pressed", String(part));
  event.currentTarget.blur();
});
function showDirection() { label(byId("direction"), view.text(`direction_${direction}`)); }
byId("direction").addEventListener("click", () => { direction = direction === "in" ? "out" : "in"; showDirection(); });
function showSound() {
  byId("sound-button").setAttribute("aria-pressed", String(sound));
  label(byId("sound-button"), view.text(sound ? "sound_on" : "sound_off"));
}
byId("sound-button").addEventListener("click", () => {
  sound = !sound;
  localStorage.setItem("gate-sound", sound ? "on" : "off");
  showSound();
  if (sound) play("admit");
  byId("sound-button").blur();
});

async function keepAwake() {
  if (!document.hidden) await navigator.wakeLock?.request("screen").catch(() => null);
}
document.addEventListener("visibilitychange", keepAwake);
keepAwake();
showSound();
showDirection();
listen();
