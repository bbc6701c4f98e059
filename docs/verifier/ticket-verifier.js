// Verifies Shanmen tickets: an independent reading of docs/ticket-format.md, without dependencies.
//
// One ES module for browsers, Node 20 and later, Deno and others that have WebCrypto with Ed25519.
//
//   import { verify, split, check } from "./ticket-verifier.js";
//   const ticket = await verify(scanned, { 1: "0bbc34…" });    // throws TicketError
//   const { tail } = split(scanned);
//   const verdict = await check(tail, { ...ticket, now: new Date(), timezone, dayKeyOf });
//
// What passes `verify` was made by the operator. Whether it admits here and now is another matter.

export const TOKEN_CHARS = 161;
export const TAIL_CHARS = 9;
export const STEP_SECONDS = 30;

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const PREFIX = "SM1";
const BODY_BYTES = 41;
const LAST_MINUTE = 4223371679; // 9999-12-31T23:59Z
const KNOWN_FLAGS = 0b111;
const WINDOW = 256;
const AHEAD_STEPS = 16;
const LOOK_BACK_SECONDS = 26 * 3600;

// `code` is one of those in docs/ticket-format.md, such as "tickets.token_bad_signature".
export class TicketError extends Error {
  constructor(code) {
    super(code);
    this.name = "TicketError";
    this.code = code;
  }
}

// This browser cannot verify anything; the message says what it lacks.
export class Unsupported extends Error {
  constructor(message) {
    super(message);
    this.name = "Unsupported";
  }
}

const malformed = () => new TicketError("tickets.token_malformed");
const version = () => new TicketError("tickets.token_version");
const ascii = (text) => new TextEncoder().encode(text);
const isAscii = (text) => /^[\x00-\x7f]*$/.test(text);

function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) {
    throw new Unsupported("WebCrypto is missing: the page must come by https, or from localhost.");
  }
  return found;
}

export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new TypeError("These are not hexadecimal digits.");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const bytesOf = (value) => (typeof value === "string" ? fromHex(value) : new Uint8Array(value));

// ---- base 45 (RFC 9285)

export function encode45(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const whole = at + 1 < bytes.length;
    const number = whole ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    text += ALPHABET[number % 45] + ALPHABET[Math.floor(number / 45) % 45];
    if (whole) text += ALPHABET[Math.floor(number / 2025)];
  }
  return text;
}

// Throws RangeError for what no encoder writes.
export function decode45(text) {
  const values = Array.from(text, (character) => ALPHABET.indexOf(character));
  if (values.includes(-1) || values.length % 3 === 1) throw new RangeError("Not base 45.");
  const bytes = [];
  for (let at = 0; at < values.length; at += 3) {
    const [low, middle, high] = values.slice(at, at + 3);
    const number = low + middle * 45 + (high ?? 0) * 2025;
    if (number > (high === undefined ? 0xff : 0xffff)) throw new RangeError("Not base 45.");
    if (high !== undefined) bytes.push(number >> 8);
    bytes.push(number & 0xff);
  }
  return Uint8Array.from(bytes);
}

// ---- the text

// What a scanner typed, as it was printed.
export function normalise(text) {
  if (!isAscii(text)) {
    text = text.replace(/。/g, ".").replace(/、/g, "/").replace(/[￥¥]/g, "$").normalize("NFKC");
  }
  text = text.trim();
  return isAscii(text) ? text.toUpperCase() : text;
}

// The signed part, and the part that changes or null. Nothing is verified yet.
export function split(text) {
  const plain = normalise(text);
  if (!plain.startsWith("SM")) throw malformed();
  if (!plain.startsWith(PREFIX)) throw /^[2-9]$/.test(plain[2] ?? "") ? version() : malformed();
  if (plain.length === TOKEN_CHARS) return { token: plain, tail: null };
  if (plain.length === TOKEN_CHARS + TAIL_CHARS) {
    return { token: plain.slice(0, TOKEN_CHARS), tail: plain.slice(TOKEN_CHARS) };
  }
  throw malformed();
}

function uuid(bytes) {
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== 1) throw version();
  const flags = view.getUint8(1);
  const home = Boolean(flags & 0b100);
  const entrance = view.getUint8(40);
  const from = view.getUint32(28);
  const until = view.getUint32(32);
  const partySize = view.getUint16(25);
  // A bit that is not known may change the meaning of all the others.
  if (flags & ~KNOWN_FLAGS || (entrance && !home) || partySize === 0) throw malformed();
  if (from >= until || until > LAST_MINUTE) throw malformed();
  return {
    keyId: view.getUint16(2),
    siteNumber: view.getUint16(4),
    ticketId: uuid(bytes.subarray(6, 22)),
    generation: view.getUint8(22),
    ticketTypeNumber: view.getUint16(23),
    partySize,
    entries: view.getUint8(27),
    validFrom: new Date(from * 60_000),
    validUntil: new Date(until * 60_000),
    zones: view.getUint32(36),
    rotating: Boolean(flags & 0b001),
    secondFactor: Boolean(flags & 0b010),
    homeEntrance: home ? entrance : null,
  };
}

async function publicKey(bytes) {
  try {
    return await subtle().importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") {
      throw new Unsupported("This browser has no Ed25519: Chrome 137, Safari 17, Firefox 129 or later do.");
    }
    throw error;
  }
}

// What a scanned text says, once its signature is checked. `keys` are the operator's public keys by
// number: 32 bytes each, or 64 hexadecimal digits. Throws TicketError or Unsupported.
export async function verify(text, keys) {
  const { token } = split(text);
  let data;
  try {
    data = decode45(token.slice(PREFIX.length));
  } catch {
    throw malformed();
  }
  const body = data.subarray(0, BODY_BYTES);
  const ticket = unpack(body);
  if (!Object.hasOwn(keys, ticket.keyId)) throw new TicketError("tickets.token_unknown_key");
  const signed = new Uint8Array([...ascii(PREFIX), ...body]);
  const key = await publicKey(bytesOf(keys[ticket.keyId]));
  const right = await subtle().verify({ name: "Ed25519" }, key, data.subarray(BODY_BYTES), signed);
  if (!right) throw new TicketError("tickets.token_bad_signature");
  return ticket;
}

// ---- the part that changes

async function hmac(key, message) {
  const imported = await subtle().importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle().sign("HMAC", imported, message));
}

// Key of a ticket for a day, from the day's key.
export function ticketKey(dayKey, { ticketId, generation }) {
  const message = [...ascii("SMR1"), ...fromHex(ticketId.replaceAll("-", "")), generation];
  return hmac(bytesOf(dayKey), Uint8Array.from(message));
}

export const stepAt = (moment) => Math.floor(moment.getTime() / 1000 / STEP_SECONDS);

// The local date (ISO) that a step begins in, whose key makes its code.
export function dayOf(step, timezone) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: timezone, year: "numeric", month: "2-digit", day: "2-digit" });
  const found = Object.fromEntries(parts.formatToParts(step * STEP_SECONDS * 1000).map((part) => [part.type, part.value]));
  return `${found.year}-${found.month}-${found.day}`;
}

async function codeOf(key, step) {
  const message = new Uint8Array(4);
  new DataView(message.buffer).setUint32(0, step);
  return (await hmac(bytesOf(key), message)).subarray(0, 5);
}

// The nine characters that follow the token during a step.
export async function tailOf(key, step) {
  return encode45(Uint8Array.from([step % WINDOW, ...(await codeOf(key, step))]));
}

function sameBytes(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) difference |= one[at] ^ other[at];
  return difference === 0;
}

function verdict(step, seconds) {
  const behind = Math.floor(seconds / STEP_SECONDS) - step;
  if (Math.abs(behind) <= 1) return { outcome: "fresh", seconds: 0 };
  if (behind > 0) return { outcome: "stale", seconds: seconds - (step + 1) * STEP_SECONDS };
  return { outcome: "from_future", seconds: step * STEP_SECONDS - seconds };
}

// Judges the part that changes, as `split` returned it. `dayKeyOf(date)` gives the site's key of a
// local date, or nothing where it is not held.
export async function check(tail, { ticketId, generation, now, timezone, dayKeyOf }) {
  if (tail === null || tail === undefined) return { outcome: "missing", seconds: 0 };
  let data;
  try {
    data = tail.length === TAIL_CHARS ? decode45(tail) : null;
  } catch {
    data = null;
  }
  if (data === null) return { outcome: "wrong", seconds: 0 };
  const seconds = Math.floor(now.getTime() / 1000);
  const latest = Math.floor(seconds / STEP_SECONDS) + AHEAD_STEPS;
  const oldest = Math.floor((seconds - LOOK_BACK_SECONDS) / STEP_SECONDS);
  let outcome = null;
  // The low byte says which steps it can be: one in each 128 minutes.
  const first = latest - ((((latest - data[0]) % WINDOW) + WINDOW) % WINDOW);
  for (let step = first; step >= oldest; step -= WINDOW) {
    const dayKey = await dayKeyOf(dayOf(step, timezone));
    if (dayKey) {
      const code = await codeOf(await ticketKey(dayKey, { ticketId, generation }), step);
      if (sameBytes(code, data.subarray(1))) return verdict(step, seconds);
    }
    outcome ??= dayKey ? "wrong" : "no_key";
  }
  return { outcome: outcome ?? "wrong", seconds: 0 };
}
