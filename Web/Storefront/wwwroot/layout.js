// @ts-check
// Where the seats of a schedule are. The venue's plan names sections and rows; without one, they are derived from numbers and prices.

/** @typedef {{ number: number, price: number, status: string, x: number, y: number, row: string, place: string, section: Section,
 *   tier: number, flags: string[] }} Seat */
/** @typedef {{ left: number, top: number, right: number, bottom: number }} Box */
/** @typedef {Box & { name: string, seats: Seat[], rows: Seat[][], free: number }} Section */
/** @typedef {Box & { seats: Map<number, Seat>, sections: Section[], tiers: number[] }} Layout */

/** The distance between two seats of a row. */
export const Pitch = 10;

const flagNames = ['accessible', 'companion', 'restrictedView'];

/** @typedef {{ source: any, place: string, flags: string[] }} Planned */
/** @typedef {{ name: string, rows: { name: string, seats: Planned[] }[] }} Block */

/** @param {any} map the seats as the API answers them @param {any} plan the plan of the venue; null without one @returns {Layout} */
export function layoutOf(map, plan) {
  const tiers = [...new Set(map.seats.map((/** @type {any} */ seat) => seat.price))].sort((a, b) => b - a);
  /** @type {Map<number, Seat>} */
  const seats = new Map();
  const sections = arranged(plan?.sections?.length ? planned(map.seats, plan) : derived(map.seats)).map(({ block, places }) => {
    /** @type {Section} */
    const section = { name: block.name, seats: [], rows: [], left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity, free: 0 };
    section.rows = places.map(({ row, seats: places }) => places.map(({ seat: { source, place, flags }, x, y }) => {
      const seat = { number: source.number, price: source.price, status: source.status, x, y, row, place, section,
        tier: tiers.indexOf(source.price), flags };
      section.seats.push(seat);
      seats.set(seat.number, seat);
      if (source.status === 'Available') section.free++;
      [section.left, section.right] = [Math.min(section.left, x - Pitch), Math.max(section.right, x + Pitch)];
      [section.top, section.bottom] = [Math.min(section.top, y - Pitch), Math.max(section.bottom, y + Pitch)];
      return seat;
    }));
    return section;
  });
  return { seats, sections, tiers, left: Math.min(...sections.map(one => one.left)), right: Math.max(...sections.map(one => one.right)),
    top: Math.min(...sections.map(one => one.top)), bottom: Math.max(...sections.map(one => one.bottom)) };
}

/** The sections and rows of the plan. Seats that it does not name follow as a section of their own. @returns {Block[]} */
function planned(/** @type {any[]} */ sources, /** @type {any} */ plan) {
  const left = new Map(sources.map(source => [source.number, source]));
  const blocks = plan.sections.map((/** @type {any} */ section) => ({ name: section.name,
    rows: section.rows.map((/** @type {any} */ row) => {
    const seats = [];
    for (let number = row.firstSeat; number <= row.lastSeat; number++) {
      const source = left.get(number);
      if (!source || !left.delete(number)) continue;
      seats.push({ source, place: `${row.firstLabel + (number - row.firstSeat) * row.labelStep}`,
        flags: flagNames.filter(flag => row[flag]?.includes(number)) });
    }
    return { name: row.name, seats };
  }).filter((/** @type {any} */ row) => row.seats.length > 0) })).filter((/** @type {Block} */ block) => block.rows.length > 0);
  return [...blocks, ...derived([...left.values()])];
}

/** Rows by price, in blocks if there are many. @returns {Block[]} */
function derived(/** @type {any[]} */ sources) {
  const length = rowLength(sources);
  /** @type {{ name: string, seats: Planned[] }[]} */
  const rows = [];
  for (const [index, source] of sources.entries()) {
    let row = rows[rows.length - 1];
    if (!row || row.seats.length === length || sources[index - 1].price !== source.price)
      rows.push(row = { name: `${rows.length + 1}`, seats: [] });
    row.seats.push({ source, place: `${row.seats.length + 1}`, flags: [] });
  }
  if (sources.length <= 1500) return rows.length ? [{ name: '', rows }] : [];
  return Array.from({ length: Math.ceil(rows.length / 20) }, (_, block) => ({ name: `${block + 1}`,
    rows: rows.slice(20 * block, 20 * block + 20).map((row, index) => ({ ...row, name: `${index + 1}` })) }));
}

/** Places blocks from the stage to the back. Rows are bent around the stage; if there are many blocks, their columns are. */
function arranged(/** @type {Block[]} */ blocks) {
  const width = Math.max(...blocks.flatMap(block => block.rows.map(row => row.seats.length))) + 3;
  const depth = Math.max(...blocks.map(block => block.rows.length)) + 3;
  const across = blocks.length < 5 ? 1 : Math.max(1, Math.round(Math.sqrt(blocks.length * depth / width * 2)));
  const half = across * width / 2 * Pitch;
  let top = 0, lineDepth = 0;
  return blocks.map((block, index) => {
    if (index % across === 0) [top, lineDepth] = [top + lineDepth, 0];
    lineDepth = Math.max(lineDepth, block.rows.length + 3);
    const middle = (index % across - (across - 1) / 2) * width * Pitch;
    return { block, places: block.rows.map((row, line) => ({ row: row.name, seats: row.seats.map((seat, place) => {
      const x = middle + (place - (row.seats.length - 1) / 2) * Pitch;
      return { seat, x, y: (top + line) * Pitch * 1.15 - ((across > 1 ? middle : x) / half) ** 2 * half * 0.22 };
    }) })) };
  });
}

function rowLength(/** @type {any[]} */ sources) {
  /** @type {number[]} */
  const runs = [];
  sources.forEach((source, index) => sources[index - 1]?.price === source.price ? runs[runs.length - 1]++ : runs.push(1));
  const common = runs.reduce((a, b) => { while (b) [a, b] = [b, a % b]; return a; }, 0);
  for (let length = 30; length >= 8; length--) if (common % length === 0) return length;
  return Math.max(8, Math.min(30, Math.ceil(Math.sqrt(sources.length * 2))));
}

/** The best free seats beside each other: close to the stage and its middle, without leaving a single seat alone.
 * @param {Layout} layout @param {number} count @returns {Seat[] | null} */
export function bestTogether(layout, count) {
  const middle = (layout.left + layout.right) / 2;
  let best = null, bestCost = Infinity;
  for (const section of layout.sections) {
    if (section.free < count) continue;
    for (const row of section.rows) {
      const isFree = (/** @type {number} */ index) => row[index]?.status === 'Available';
      for (let start = 0; start + count <= row.length; start++) {
        const seats = row.slice(start, start + count);
        if (!seats.every((seat, index) => seat.status === 'Available' && seat.flags.length === 0
          && (index === 0 || seat.x - seats[index - 1].x < Pitch * 1.6))) continue;
        const centre = (seats[0].x + seats[count - 1].x) / 2;
        const single = (isFree(start - 1) && !isFree(start - 2) ? 1 : 0) + (isFree(start + count) && !isFree(start + count + 1) ? 1 : 0);
        const cost = (seats[0].y - layout.top) + Math.abs(centre - middle) * 0.7 + single * Pitch * 1.5 + seats[0].tier * 2;
        if (cost < bestCost) [best, bestCost] = [seats, cost];
      }
    }
  }
  return best;
}
