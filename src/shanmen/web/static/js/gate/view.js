// What the guard sees and a screen reader says.

const LAST = 10;

export class View {
  constructor(root, texts) {
    this.texts = texts;
    this.verdict = root.querySelector("#verdict");
    this.parts = Object.fromEntries(
      [...this.verdict.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]),
    );
    this.buttons = Object.fromEntries(
      [...this.verdict.querySelectorAll("[data-action]")].map((button) => [button.dataset.action, button]),
    );
    this.announcer = root.querySelector("#announce");
    this.list = root.querySelector("#last");
    this.none = root.querySelector("#last-none");
    this.counts = Object.fromEntries(
      [...root.querySelectorAll("[data-count]")].map((figure) => [figure.dataset.count, figure]),
    );
    this.lamp = document.querySelector("#lamp");
  }

  text(key, params = {}) {
    return (this.texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => params[name] ?? whole);
  }

  put(part, text) {
    this.parts[part].textContent = text ?? "";
    this.parts[part].hidden = !text;
  }

  show(kind, { word, sentence = "", tell = "", persons = 0, party = 0, type = "", names = [], slot = "", buttons = [], quiet = false }) {
    this.verdict.className = `verdict verdict-${kind}`;
    for (const sign of this.verdict.querySelectorAll("[data-sign]")) sign.hidden = sign.dataset.sign !== kind;
    this.parts.word.textContent = word;
    this.parts.persons.hidden = !persons;
    this.parts.number.textContent = persons || "";
    this.parts.unit.textContent = this.text(persons === 1 ? "person" : "persons");
    this.put("sentence", sentence);
    this.put("tell", tell);
    this.parts.who.hidden = !type;
    this.parts.type.textContent = type;
    this.parts.names.textContent = [names.join("　"), slot].filter(Boolean).join(" · ");
    for (const [name, button] of Object.entries(this.buttons)) button.hidden = !buttons.includes(name);
    if (!quiet) {
      window.scrollTo({ top: 0 });
      const count = persons > 1 ? `${persons} ${this.text("persons")}` : "";
      this.announce([word, count, type, sentence, tell].filter(Boolean).join(" "));
    }
  }

  // Emptied first, so that the same sentence twice is said twice.
  announce(text) {
    this.announcer.textContent = "";
    requestAnimationFrame(() => (this.announcer.textContent = text));
  }

  answer(answer) {
    const buttons = [];
    if (answer.needs_document) buttons.push("document");
    if (answer.override_allowed) buttons.push("override");
    if (answer.can_undo) buttons.push("undo");
    this.show(answer.kind, {
      word: answer.word,
      sentence: answer.sentence,
      tell: answer.tell,
      persons: answer.kind === "undone" ? 0 : answer.persons,
      type: [answer.type, answer.audience && !answer.type.includes(answer.audience) ? answer.audience : ""].filter(Boolean).join(" · "),
      names: answer.names,
      slot: answer.slot,
      buttons,
    });
  }

  entry(answer) {
    const item = document.createElement("li");
    item.className = `gate-last-${answer.kind}`;
    item.dataset.scan = answer.scan_id;
    const time = document.createElement("time");
    time.textContent = answer.time;
    const word = document.createElement("strong");
    word.textContent = answer.persons && answer.kind !== "undone" ? `${answer.word} ${answer.persons}` : answer.word;
    const rest = document.createElement("span");
    rest.textContent = answer.kind === "refuse" ? answer.sentence : [answer.type, ...answer.names].join(" ");
    item.append(time, " ", word, " ", rest);
    return item;
  }

  remember(answer) {
    this.list.querySelector(`[data-scan="${answer.scan_id}"]`)?.remove();
    this.list.prepend(this.entry(answer));
    while (this.list.children.length > LAST) this.list.lastElementChild.remove();
    this.none.hidden = true;
  }

  state({ counts, last }) {
    for (const [name, figure] of Object.entries(this.counts)) figure.textContent = counts[name];
    this.list.replaceChildren(...last.map((answer) => this.entry(answer)));
    this.none.hidden = last.length > 0;
  }

  link(up) {
    this.lamp.className = `lamp gate-js lamp-${up ? "good" : "bad"}`;
    const text = this.text(up ? "connected" : "disconnected");
    if (this.lamp.textContent !== text) this.lamp.textContent = text;
  }
}
