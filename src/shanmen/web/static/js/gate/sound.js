// Two sounds that cannot be taken for each other: two notes up, or a low buzz twice.

let context = null;

export function wake() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
}

for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, wake, { capture: true });

function tone(frequency, start, seconds, type, volume) {
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const from = context.currentTime + start;
  oscillator.type = type;
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, from);
  gain.gain.linearRampToValueAtTime(volume, from + 0.01);
  gain.gain.setValueAtTime(volume, from + seconds - 0.03);
  gain.gain.linearRampToValueAtTime(0, from + seconds);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(from);
  oscillator.stop(from + seconds);
}

const SOUNDS = {
  admit: () => {
    tone(880, 0, 0.13, "sine", 0.5);
    tone(1318.5, 0.14, 0.22, "sine", 0.5);
  },
  refuse: () => {
    tone(185, 0, 0.22, "square", 0.35);
    tone(185, 0.28, 0.38, "square", 0.35);
  },
  warn: () => tone(440, 0, 0.3, "triangle", 0.45),
};
const SHAKES = { admit: [60], refuse: [180, 80, 180], warn: [120] };

export function play(kind) {
  navigator.vibrate?.(SHAKES[kind]);
  if (context?.state !== "running") return;
  SOUNDS[kind]?.();
}
