// @ts-check
// Draws a text as a QR code (ISO/IEC 18004): bytes, error correction level M, versions 1 to 40.
import { h } from './app.js';

// Of level M, by version: error correction bytes of a block, and blocks.
const checkBytes = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 28, 28];
const blockCounts = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35,
  37, 38, 40, 43, 45, 47, 49];

// Multiplication in the field of 256 elements, by logarithms.
const powers = new Uint8Array(255), logarithms = new Uint8Array(256);
for (let index = 0, value = 1; index < 255; index++) {
  powers[index] = value;
  logarithms[value] = index;
  value = value << 1 ^ (value > 127 ? 0x11d : 0);
}
const times = (/** @type {number} */ a, /** @type {number} */ b) => a && b ? powers[(logarithms[a] + logarithms[b]) % 255] : 0;

/** The modules of a version that carry data, after those of the patterns. */
function capacityBits(/** @type {number} */ version) {
  let bits = (16 * version + 128) * version + 64;
  if (version > 1) {
    const lines = Math.floor(version / 7) + 2;
    bits -= (25 * lines - 10) * lines - 55;
    if (version > 6) bits -= 36;
  }
  return bits;
}

/** The data with its error correction, in the order of drawing. */
function codewords(/** @type {Uint8Array} */ bytes) {
  const lengthBits = (/** @type {number} */ version) => version < 10 ? 8 : 16;
  const dataBytes = (/** @type {number} */ version) => (capacityBits(version) >> 3) - checkBytes[version - 1] * blockCounts[version - 1];
  let version = 1;
  while (version <= 40 && 4 + lengthBits(version) + 8 * bytes.length > 8 * dataBytes(version)) version++;
  if (version > 40) throw new RangeError('The text is too long for a QR code.');
  /** @type {number[]} */
  const bits = [];
  const put = (/** @type {number} */ value, /** @type {number} */ count) => { for (let bit = count - 1; bit >= 0;
    bit--) bits.push(value >> bit & 1); };
  put(4, 4);
  put(bytes.length, lengthBits(version));
  for (const byte of bytes) put(byte, 8);
  const total = dataBytes(version);
  put(0, Math.min(4, 8 * total - bits.length));
  put(0, (8 - bits.length % 8) % 8);
  for (let filler = 0xec; bits.length < 8 * total; filler ^= 0xfd) put(filler, 8);
  const data = Uint8Array.from({ length: total }, (_, index) => Number.parseInt(bits.slice(8 * index, 8 * index + 8).join(''), 2));

  const count = blockCounts[version - 1], check = checkBytes[version - 1], short = Math.floor(total / count),
    longFrom = count - total % count;
  const generator = generatorOf(check);
  const blocks = [];
  for (let block = 0, start = 0; block < count; block++) {
    const part = data.slice(start, start += short + (block >= longFrom ? 1 : 0));
    blocks.push({ part, rest: remainder(part, generator) });
  }
  const words = [];
  for (let index = 0; index <= short; index++) for (const { part } of blocks) if (index < part.length) words.push(part[index]);
  for (let index = 0; index < check; index++) for (const { rest } of blocks) words.push(rest[index]);
  return { version, words };
}

function generatorOf(/** @type {number} */ degree) {
  let polynomial = [1];
  for (let root = 0; root < degree; root++) {
    const next = [...polynomial, 0];
    polynomial.forEach((factor, index) => { next[index + 1] ^= times(factor, powers[root]); });
    polynomial = next;
  }
  return polynomial;
}

function remainder(/** @type {Uint8Array} */ data, /** @type {number[]} */ generator) {
  const rest = [...data, ...new Array(generator.length - 1).fill(0)];
  for (let index = 0; index < data.length; index++) {
    const factor = rest[index];
    generator.forEach((part, offset) => { rest[index + offset] ^= times(part, factor); });
  }
  return rest.slice(data.length);
}

/** The modules of a text, row by row: true is dark. @returns {boolean[][]} */
export function modulesOf(/** @type {string} */ text) {
  const { version, words } = codewords(new TextEncoder().encode(text)), size = 17 + 4 * version;
  /** @type {boolean[][]} */
  const dark = Array.from({ length: size }, () => new Array(size).fill(false)), fixed = dark.map(row => [...row]);
  const set = (/** @type {number} */ x, /** @type {number} */ y, /** @type {boolean} */ isDark) => { dark[y][x] = isDark;
    fixed[y][x] = true; };
  drawPatterns(version, size, set, fixed);
  let bit = 0;
  for (let right = size - 1, goesUp = true; right > 0; right -= 2, goesUp = !goesUp) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = goesUp ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (fixed[y][x]) continue;
        dark[y][x] = bit < 8 * words.length && (words[bit >> 3] >> 7 - (bit & 7) & 1) === 1;
        bit++;
      }
    }
  }
  let best = null, bestCost = Infinity;
  for (let mask = 0; mask < 8; mask++) {
    const masked = dark.map((row, y) => row.map((isDark, x) => fixed[y][x] ? isDark : isDark !== masks[mask](x, y)));
    drawFormat(masked, mask, size);
    const cost = costOf(masked);
    if (cost < bestCost) [best, bestCost] = [masked, cost];
  }
  return /** @type {boolean[][]} */ (best);
}

const masks = /** @type {((x: number, y: number) => boolean)[]} */ ([(x, y) => (x + y) % 2 === 0, (_, y) => y % 2 === 0, x => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0, (x, y) => x * y % 2 + x * y % 3 === 0,
    (x, y) => (x * y % 2 + x * y % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + x * y % 3) % 2 === 0]);

function drawPatterns(/** @type {number} */ version, /** @type {number} */ size,
  /** @type {(x: number, y: number, isDark: boolean) => void} */ set,
  /** @type {boolean[][]} */ fixed) {
  for (let index = 0; index < size; index++) { set(6, index, index % 2 === 0); set(index, 6, index % 2 === 0); }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]]) {
    for (let y = -4; y <= 4; y++) for (let x = -4; x <= 4; x++) {
      const ring = Math.max(Math.abs(x), Math.abs(y));
      if (cx + x >= 0 && cx + x < size && cy + y >= 0 && cy + y < size) set(cx + x, cy + y, ring !== 2 && ring !== 4);
    }
  }
  const centres = alignmentOf(version, size);
  for (const cy of centres) for (const cx of centres) {
    if ((cx === 6 && cy === 6) || (cx === 6 && cy === size - 7) || (cx === size - 7 && cy === 6)) continue;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
  }
  // The places of the format, which depends on the mask.
  for (let index = 0; index < 9; index++) { fixed[8][index] = true; fixed[index][8] = true; }
  for (let index = 0; index < 8; index++) { fixed[8][size - 1 - index] = true; fixed[size - 1 - index][8] = true; }
  if (version < 7) return;
  let rest = version;
  for (let index = 0; index < 12; index++) rest = rest << 1 ^ (rest >> 11) * 0x1f25;
  const bits = version << 12 | rest;
  for (let index = 0; index < 18; index++) {
    const [a, b] = [size - 11 + index % 3, Math.floor(index / 3)], isDark = (bits >> index & 1) === 1;
    set(a, b, isDark);
    set(b, a, isDark);
  }
}

function alignmentOf(/** @type {number} */ version, /** @type {number} */ size) {
  if (version === 1) return [];
  const lines = Math.floor(version / 7) + 2, step = version === 32 ? 26 : Math.ceil((4 * version + 4) / (2 * lines - 2)) * 2, centres = [6];
  for (let at = size - 7; centres.length < lines; at -= step) centres.splice(1, 0, at);
  return centres;
}

function drawFormat(/** @type {boolean[][]} */ dark, /** @type {number} */ mask, /** @type {number} */ size) {
  // The bits of level M are 00.
  let rest = mask;
  for (let index = 0; index < 10; index++) rest = rest << 1 ^ (rest >> 9) * 0x537;
  const bits = (mask << 10 | rest) ^ 0x5412;
  for (let index = 0; index < 15; index++) {
    const isDark = (bits >> index & 1) === 1;
    if (index < 6) dark[index][8] = isDark; else if (index < 8) dark[index + 1][8] = isDark; else dark[size - 15 + index][8] = isDark;
    if (index < 8) dark[8][size - 1 - index] = isDark; else dark[8][index === 8 ? 7 : 14 - index] = isDark;
  }
  dark[size - 8][8] = true;
}

/** How hard the code is to read: long runs, squares, false finders and an uneven share of dark modules. */
function costOf(/** @type {boolean[][]} */ dark) {
  const size = dark.length;
  let cost = 0, darkCount = 0;
  const line = (/** @type {(index: number) => boolean} */ at) => {
    let run = 0, text = '';
    for (let index = 0; index < size; index++) {
      run = index > 0 && at(index) === at(index - 1) ? run + 1 : 1;
      cost += run === 5 ? 3 : run > 5 ? 1 : 0;
      text += at(index) ? '1' : '0';
    }
    for (const finder of ['10111010000', '00001011101'])
      for (let from = text.indexOf(finder); from >= 0; from = text.indexOf(finder, from + 1)) cost += 40;
  };
  for (let y = 0; y < size; y++) {
    line(index => dark[y][index]);
    line(index => dark[index][y]);
    for (let x = 0; x < size; x++) {
      darkCount += dark[y][x] ? 1 : 0;
      if (x > 0 && y > 0 && dark[y][x] === dark[y - 1][x] && dark[y][x] === dark[y][x - 1] && dark[y][x] === dark[y - 1][x - 1]) cost += 3;
    }
  }
  return cost + Math.floor(Math.abs(darkCount * 20 - size * size * 10) / (size * size)) * 10;
}

/** The QR code as a picture, black on white in every colour scheme, because scanners need it. @returns {SVGElement} */
export function qrCode(/** @type {string} */ text, /** @type {string} */ label) {
  const dark = modulesOf(text), size = dark.length + 8;
  const path = dark.flatMap((row, y) => row.map((isDark, x) => isDark ? `M${x + 4} ${y + 4}h1v1h-1z` : '')).join('');
  return h('svg:svg', { class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    h('svg:rect', { width: size, height: size, fill: '#fff' }), h('svg:path', { d: path, fill: '#000' }));
}
