// A QR code of version 7, level M, in alphanumeric mode (ISO/IEC 18004): 45 × 45 modules, up to 178
// characters. A ticket's code is 161 or 170 characters long, so no other version is needed.

const SIZE = 45;
const DATA = 124; // Codewords of data: four blocks of 31, each with 18 of correction.
const BLOCKS = 4;
const CORRECTION = 18;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const CENTRES = [6, 22, 38];
const VERSION_BITS = 0x07c94;

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  EXP[power] = value;
  EXP[power + 255] = value;
  LOG[value] = power;
  value = (value << 1) ^ (value & 128 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

const GENERATOR = (() => {
  let poly = [1];
  for (let root = 0; root < CORRECTION; root += 1) {
    const next = new Array(poly.length + 1).fill(0);
    poly.forEach((factor, at) => {
      next[at] ^= factor;
      next[at + 1] ^= times(factor, EXP[root]);
    });
    poly = next;
  }
  return poly;
})();

function correction(block) {
  const rest = [...block, ...new Array(CORRECTION).fill(0)];
  for (let at = 0; at < block.length; at += 1) {
    const factor = rest[at];
    if (factor) GENERATOR.forEach((part, n) => (rest[at + n] ^= times(part, factor)));
  }
  return rest.slice(block.length);
}

function codewords(text) {
  const bits = [];
  const put = (value, length) => {
    for (let bit = length - 1; bit >= 0; bit -= 1) bits.push((value >> bit) & 1);
  };
  put(0b0010, 4);
  put(text.length, 9);
  for (let at = 0; at < text.length; at += 2) {
    const first = ALPHABET.indexOf(text[at]);
    if (at + 1 < text.length) put(first * 45 + ALPHABET.indexOf(text[at + 1]), 11);
    else put(first, 6);
  }
  if (bits.length > DATA * 8) throw new RangeError("The text is too long.");
  if ([...text].some((each) => !ALPHABET.includes(each))) throw new RangeError("A character is of another mode.");
  put(0, Math.min(4, DATA * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const data = [];
  for (let at = 0; at < bits.length; at += 8) data.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let pad = 0xec; data.length < DATA; pad ^= 0xec ^ 0x11) data.push(pad);
  const length = DATA / BLOCKS;
  const blocks = Array.from({ length: BLOCKS }, (_, n) => data.slice(n * length, (n + 1) * length));
  const checks = blocks.map(correction);
  const woven = [];
  for (let at = 0; at < length; at += 1) for (const block of blocks) woven.push(block[at]);
  for (let at = 0; at < CORRECTION; at += 1) for (const check of checks) woven.push(check[at]);
  return woven;
}

const MASKS = [
  (y, x) => (y + x) % 2 === 0,
  (y) => y % 2 === 0,
  (y, x) => x % 3 === 0,
  (y, x) => (y + x) % 3 === 0,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (y, x) => ((y * x) % 2) + ((y * x) % 3) === 0,
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2 === 0,
  (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2 === 0,
];

// The pattern that every code of this version has: null where data goes.
function frame() {
  const grid = Array.from({ length: SIZE }, () => new Array(SIZE).fill(null));
  const finder = (top, left) => {
    for (let y = -1; y <= 7; y += 1) {
      for (let x = -1; x <= 7; x += 1) {
        if (grid[top + y]?.[left + x] === undefined) continue;
        const ring = Math.max(Math.abs(y - 3), Math.abs(x - 3));
        grid[top + y][left + x] = ring !== 2 && ring !== 4 ? 1 : 0;
      }
    }
  };
  finder(0, 0);
  finder(0, SIZE - 7);
  finder(SIZE - 7, 0);
  for (const cy of CENTRES) {
    for (const cx of CENTRES) {
      if (grid[cy][cx] !== null) continue;
      for (let y = -2; y <= 2; y += 1) {
        for (let x = -2; x <= 2; x += 1) grid[cy + y][cx + x] = Math.max(Math.abs(y), Math.abs(x)) !== 1 ? 1 : 0;
      }
    }
  }
  for (let at = 8; at < SIZE - 8; at += 1) {
    grid[6][at] ??= at % 2 ? 0 : 1;
    grid[at][6] ??= at % 2 ? 0 : 1;
  }
  for (let bit = 0; bit < 18; bit += 1) {
    const value = (VERSION_BITS >> bit) & 1;
    const a = Math.floor(bit / 3);
    const b = SIZE - 11 + (bit % 3);
    grid[a][b] = value;
    grid[b][a] = value;
  }
  format(grid, 0);
  return grid;
}

function format(grid, mask) {
  let rest = mask << 10; // Level M is 00.
  for (let bit = 14; bit >= 10; bit -= 1) if ((rest >> bit) & 1) rest ^= 0x537 << (bit - 10);
  const value = ((mask << 10) | rest) ^ 0x5412;
  const bit = (n) => (value >> n) & 1;
  for (let n = 0; n <= 5; n += 1) grid[n][8] = bit(n);
  grid[7][8] = bit(6);
  grid[8][8] = bit(7);
  grid[8][7] = bit(8);
  for (let n = 9; n < 15; n += 1) grid[8][14 - n] = bit(n);
  for (let n = 0; n < 8; n += 1) grid[8][SIZE - 1 - n] = bit(n);
  for (let n = 8; n < 15; n += 1) grid[SIZE - 15 + n][8] = bit(n);
  grid[SIZE - 8][8] = 1;
}

const FRAME = frame();
// Where data goes, in order: pairs of columns from the right, up and down in turn.
const PATH = (() => {
  const cells = [];
  for (let right = SIZE - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let n = 0; n < SIZE; n += 1) {
      const y = up ? SIZE - 1 - n : n;
      for (const x of [right, right - 1]) if (FRAME[y][x] === null) cells.push([y, x]);
    }
  }
  return cells;
})();

// Long runs, blocks of one colour and uneven shares make a code harder to read.
function penalty(grid) {
  let sum = 0;
  let dark = 0;
  for (let y = 0; y < SIZE; y += 1) {
    for (const line of [(n) => grid[y][n], (n) => grid[n][y]]) {
      let run = 0;
      for (let n = 0; n < SIZE; n += 1) {
        run = n && line(n) === line(n - 1) ? run + 1 : 1;
        if (run === 5) sum += 3;
        else if (run > 5) sum += 1;
      }
    }
    for (let x = 0; x < SIZE; x += 1) {
      dark += grid[y][x];
      if (y && x) {
        const four = grid[y][x] + grid[y - 1][x] + grid[y][x - 1] + grid[y - 1][x - 1];
        if (four % 4 === 0) sum += 3;
      }
    }
  }
  return sum + 10 * Math.floor(Math.abs((dark * 100) / (SIZE * SIZE) - 50) / 5);
}

export function modules(text) {
  const words = codewords(text);
  let best = null;
  MASKS.forEach((masks, number) => {
    const grid = FRAME.map((row) => [...row]);
    format(grid, number);
    PATH.forEach(([y, x], at) => {
      const bit = at < words.length * 8 ? (words[at >> 3] >> (7 - (at & 7))) & 1 : 0;
      grid[y][x] = masks(y, x) ? 1 - bit : bit;
    });
    const cost = penalty(grid);
    if (best === null || cost < best.cost) best = { cost, grid };
  });
  return best.grid;
}

export function qr(text, label) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  const whole = SIZE + 8;
  for (const [name, value] of Object.entries({
    role: "img",
    class: "qr",
    viewBox: `0 0 ${whole} ${whole}`,
    "aria-label": label,
    "shape-rendering": "crispEdges",
  })) svg.setAttribute(name, value);
  const ground = document.createElementNS(namespace, "path");
  ground.setAttribute("fill", "#fff");
  ground.setAttribute("d", `M0 0h${whole}v${whole}h-${whole}z`);
  const dark = document.createElementNS(namespace, "path");
  let path = "";
  modules(text).forEach((row, y) => {
    for (let x = 0; x < SIZE; x += 1) {
      if (!row[x]) continue;
      let length = 1;
      while (row[x + length]) length += 1;
      path += `M${x + 4} ${y + 4}h${length}v1h-${length}z`;
      x += length;
    }
  });
  dark.setAttribute("d", path);
  svg.append(ground, dark);
  return svg;
}
