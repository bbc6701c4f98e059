// A scanner that types: listens to the whole page, whatever has the focus.
//
// A burst is what no hand can type: many keys with hardly a pause, then Enter or Tab. A burst is a
// scan even while somebody types into a field; its keys are then taken out of the field again. With
// no field in focus, slow keys count too, so that a slow scanner or a person can finish with Enter.

const BURST_GAP_MS = 60;
const BURST_KEYS = 6;
const FORGET_MS = 3000;

// Where an input method swallows a key, its place on the keyboard still tells which one it was.
const SHIFTED = { Digit4: "$", Digit5: "%", Digit8: "*", Equal: "+", Semicolon: ":", Minus: "_" };
const PLAIN = { Space: " ", Minus: "-", Period: ".", Slash: "/", Equal: "=", Semicolon: ";", NumpadSubtract: "-" };

export function keyOf(event) {
  if (event.key.length === 1 && event.keyCode !== 229) return event.key;
  const { code, shiftKey } = event;
  if (event.key !== "Process" && event.keyCode !== 229) return "";
  if (/^Key[A-Z]$/.test(code)) return code[3];
  if (shiftKey && code in SHIFTED) return SHIFTED[code];
  if (/^(Digit|Numpad)\d$/.test(code)) return code.at(-1);
  return PLAIN[code] ?? "";
}

const isField = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable || element.matches("textarea, select, input:not([type=button], [type=submit])"));

export function listenToWedge(onScan, { target = document, now = () => performance.now() } = {}) {
  let keys = "";
  let last = 0;
  let quick = true;
  let field = null;
  let before = "";

  const forget = () => {
    keys = "";
    quick = true;
    field = null;
  };

  target.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const at = now();
      const gap = at - last;
      if (keys && gap > FORGET_MS) forget();
      const end = event.key === "Enter" || event.key === "Tab";
      if (end) {
        const burst = quick && keys.length >= BURST_KEYS && gap <= BURST_GAP_MS * 3;
        const typed = event.key === "Enter" && keys.length >= BURST_KEYS && !isField(event.target);
        if (burst || typed) {
          event.preventDefault();
          event.stopPropagation();
          // What the scanner typed into a field was not meant for it.
          if (burst && field) {
            field.value = before;
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }
          const text = keys;
          forget();
          onScan(text);
          return;
        }
        forget();
        return;
      }
      const key = keyOf(event);
      if (!key) return;
      if (!keys) {
        field = isField(event.target) ? event.target : null;
        before = field ? field.value : "";
      } else if (gap > BURST_GAP_MS) {
        quick = false;
        if (field) {
          forget();
          field = event.target;
          before = field.value;
        }
      }
      keys += key;
      last = at;
      // A space or a digit must not press a button or scroll the page.
      if (!isField(event.target) && (keys.length > 1 || key !== " ")) event.preventDefault();
    },
    true,
  );

  // A button is pressed by the release of the space bar: not in the middle of a burst.
  target.addEventListener(
    "keyup",
    (event) => {
      if (event.key === " " && keys.length > 1 && !isField(event.target)) event.preventDefault();
    },
    true,
  );
}
