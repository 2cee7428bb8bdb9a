// @ts-check
// The seat map: an SVG of which only the visible part exists. From afar, a section is one shape.
// Its seats are drawn when they can be distinguished.
import { h, number, points, t } from './app.js';
import { Pitch } from './layout.js';

/** @typedef {import('./layout.js').Seat} Seat */
/** @typedef {import('./layout.js').Section} Section */

// One shape per state, so that no one needs to tell colours apart.
const shapes = {
  free: (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 3.6} ${y - 1.6}q0-2 2-2h3.2q2 0 2 2v3.2q0 2-2 2h-3.2q-2 0-2-2z`,
  held: (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 2.2} ${y}a2.2 2.2 0 1 0 4.4 0a2.2 2.2 0 1 0-4.4 0`,
  sold: (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 1.8} ${y - 1.8}l3.6 3.6m0-3.6l-3.6 3.6`,
  mine: (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 4.4} ${y - 2.4}q0-2 2-2h4.8q2 0 2 2v4.8q0 2-2 2h-4.8q-2 0-2-2z`
};

export const tierClass = (/** @type {number} */ tier) => `tier-${Math.min(tier, 5) + 1}`;

/** A section in words: one of a plan has a name, a derived one a number. */
export const sectionName = (/** @type {Section} */ section) =>
  /^\d*$/.test(section.name) ? t('list.section', { section: section.name }) : section.name;

/** How a seat differs from others. */
export const signs = /** @type {Record<string, string>} */ ({ accessible: '♿', companion: '+', restrictedView: '◐' });

/** A seat in words. */
export const seatName = (/** @type {Seat} */ seat) => seat.section.name
  ? t('seat.full', { section: sectionName(seat.section), row: seat.row, place: seat.place })
  : t('seat.name', { row: seat.row, place: seat.place });
export const seatLabel = (/** @type {Seat} */ seat, /** @type {boolean} */ isMine) =>
  [seatName(seat), points(seat.price), ...seat.flags.map(flag => t(`seat.${flag}`)), t(`seat.${isMine ? 'mine' : seat.status}`)].join(', ');

export class SeatMap {
  /** @param {import('./layout.js').Layout} layout @param {Set<number>} mine @param {(seat: Seat) => void} choose
   * @param {AbortSignal} signal */
  constructor(layout, mine, choose, signal) {
    this.layout = layout;
    this.mine = mine;
    this.choose = choose;
    // The stage grows with the hall.
    this.unit = Math.max(1, (layout.right - layout.left) / 260);
    this.home = { left: layout.left - 10, top: layout.top - 36 * this.unit, width: layout.right - layout.left + 20,
      height: layout.bottom - layout.top + 36 * this.unit + 8 };
    this.view = { ...this.home };
    /** @type {Map<Section, { group: any, isDirty: boolean, isNear: boolean | null }>} */
    this.parts = new Map(layout.sections.map(section => [section, { group: h('svg:g'), isDirty: true, isNear: null }]));
    this.cursors = [0, 1].map(() => h('svg:rect', { class: 'cursor', width: 11, height: 11, x: -5.5, y: -5.5, rx: 3, role: 'button',
      tabindex: '-1' }));
    this.mark = h('svg:g', { class: 'mine' });
    this.svg = h('svg:svg', { class: 'map', role: 'group', 'aria-label': t('map.label') }, this.drawStage(),
      [...this.parts.values()].map(part => part.group), this.mark, this.cursors);
    this.element = h('div', { class: 'map-frame' }, this.svg);
    /** @type {Seat | null} */
    this.at = null;
    this.pending = 0;
    this.listen(signal);
    const first = layout.sections[0]?.rows[0];
    if (first) this.point(first[Math.floor(first.length / 2)], false);
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.draw();
  }

  /** The pixels of one unit of the map. */
  get scale() { return Math.min(this.element.clientWidth / this.view.width, this.element.clientHeight / this.view.height) || 1; }

  drawStage() {
    const middle = (this.layout.left + this.layout.right) / 2, half = (this.layout.right - this.layout.left) * 0.3, unit = this.unit;
    const at = (/** @type {number} */ above) => this.layout.top - above * unit;
    return h('svg:g', { class: 'stage', 'aria-hidden': 'true' },
      h('svg:path', { d: `M${middle - half} ${at(26)}Q${middle} ${at(34)} ${middle + half} ${at(26)}L${middle + half * 0.94} ${at(12)}`
        + `Q${middle} ${at(19)} ${middle - half * 0.94} ${at(12)}Z` }),
      h('svg:text', { x: middle, y: at(20.5), 'font-size': Math.min(8 * unit, Math.max(5, half / 9)) }, t('map.stage')));
  }

  /** Draws before the next frame. */
  draw() { this.pending ||= requestAnimationFrame(() => { this.pending = 0; this.paint(); }); }

  /** A seat has changed. */
  change(/** @type {Seat} */ seat) {
    const part = this.parts.get(seat.section);
    if (part) part.isDirty = true;
    if (this.at === seat) this.describe();
    this.draw();
  }

  paint() {
    const { left, top, width, height } = this.view, scale = this.scale, isNear = scale * Pitch > 6.5;
    this.svg.setAttribute('viewBox', `${left} ${top} ${width} ${height}`);
    // The frame may show more than the view in one direction.
    const [moreX, moreY] = [Math.max(0, this.element.clientWidth / scale - width) / 2,
      Math.max(0, this.element.clientHeight / scale - height) / 2];
    for (const [section, part] of this.parts) {
      const isVisible = section.right > left - moreX && section.left < left + width + moreX && section.bottom > top - moreY
        && section.top < top + height + moreY;
      part.group.setAttribute('visibility', isVisible ? 'visible' : 'hidden');
      if (isVisible && (part.isDirty || part.isNear !== isNear)) {
        part.group.replaceChildren(...isNear ? this.seatsOf(section) : this.shapeOf(section));
        part.isDirty = false;
        part.isNear = isNear;
      } else if (!isVisible && part.isNear) {
        part.group.replaceChildren();
        part.isNear = null;
      }
    }
    this.mark.replaceChildren(...[...this.mine].map(name => this.layout.seats.get(name)).filter(seat => seat !== undefined).flatMap(seat =>
      [
      h('svg:path', { d: shapes.mine(seat.x, seat.y) }), h('svg:path', { class: 'tick', d: `M${seat.x - 2} ${seat.y}l1.5 1.7l2.6-3.2` })]));
    this.element.classList.toggle('is-far', !isNear);
    this.element.classList.toggle('is-home', this.view.width >= this.home.width * 0.99);
  }

  seatsOf(/** @type {Section} */ section) {
    /** @type {Map<string, string[]>} */
    const paths = new Map();
    for (const seat of section.seats) {
      const kind = seat.status === 'Available' ? `free ${tierClass(seat.tier)}` : seat.status === 'Held' ? 'held' : 'sold';
      const shape = seat.status === 'Available' ? shapes.free : seat.status === 'Held' ? shapes.held : shapes.sold;
      let path = paths.get(kind);
      if (!path) paths.set(kind, path = []);
      path.push(shape(Math.round(seat.x * 10) / 10, Math.round(seat.y * 10) / 10));
    }
    const special = section.seats.filter(seat => seat.flags.length > 0 && seat.status === 'Available').map(seat =>
      h('svg:text', { class: 'flag', x: seat.x, y: seat.y + 1.6, 'aria-hidden': 'true' }, signs[seat.flags[0]]));
    const rows = section.rows.filter(row => row[0].row).map(row =>
      h('svg:text', { class: 'row-label', x: row[0].x - Pitch, y: row[0].y + 1.4, 'aria-hidden': 'true' }, row[0].row));
    return [...[...paths].map(([kind, path]) => h('svg:path', { class: `seats ${kind}`, d: path.join('') })), ...special, ...rows,
      ...section.name ? [h('svg:text', { class: 'section-name', x: (section.left + section.right) / 2, y: section.top + 2,
        'aria-hidden': 'true' },
        sectionName(section))] : []];
  }

  shapeOf(/** @type {Section} */ section) {
    const tier = section.seats[0].tier, x = (section.left + section.right) / 2, y = (section.top + section.bottom) / 2;
    const size = Math.min((section.right - section.left) / 4.5, (section.bottom - section.top) / 3);
    return [h('svg:rect', { class: `block ${section.free ? tierClass(tier) : 'is-empty'}`, x: section.left + 2, y: section.top + 2, rx: 8,
      width: section.right - section.left - 4, height: section.bottom - section.top - 4 }),
    h('svg:text', { class: 'block-name', x, y, 'font-size': size }, section.name),
    h('svg:text', { class: 'block-free', x, y: y + size * 0.9, 'font-size': size * 0.55 }, number(section.free))];
  }

  // Moving.

  moveTo(/** @type {number} */ left, /** @type {number} */ top, /** @type {number} */ width) {
    const ratio = this.home.height / this.home.width, size = Math.min(this.home.width, Math.max(Pitch * 6, width));
    const within = (/** @type {number} */ value, /** @type {number} */ from, /** @type {number} */ to) =>
      Math.min(Math.max(value, from), Math.max(from, to));
    this.view = { width: size, height: size * ratio, left: within(left, this.home.left, this.home.left + this.home.width - size),
      top: within(top, this.home.top, this.home.top + this.home.height - size * ratio) };
    this.draw();
  }

  /** Zooms around a point of the map. */
  zoom(/** @type {number} */ factor, x = this.view.left + this.view.width / 2, y = this.view.top + this.view.height / 2) {
    const width = Math.min(this.home.width, Math.max(Pitch * 6, this.view.width / factor)), share = width / this.view.width;
    this.moveTo(x - (x - this.view.left) * share, y - (y - this.view.top) * share, width);
  }

  /** Makes a seat visible, large enough to be touched. */
  reveal(/** @type {Seat} */ seat) {
    const needed = 22 / Pitch;
    if (this.scale < needed) this.zoom(needed / this.scale, seat.x, seat.y);
    const { left, top, width, height } = this.view, edge = Pitch * 2;
    if (seat.x < left + edge || seat.x > left + width - edge || seat.y < top + edge || seat.y > top + height - edge)
      this.moveTo(seat.x - width / 2, seat.y - height / 2, width);
  }

  /** The point of the map below a point of the screen. */
  pointAt(/** @type {{ clientX: number, clientY: number }} */ event) {
    const box = this.element.getBoundingClientRect(), scale = this.scale;
    return { x: this.view.left + this.view.width / 2 + (event.clientX - box.left - box.width / 2) / scale,
      y: this.view.top + this.view.height / 2 + (event.clientY - box.top - box.height / 2) / scale };
  }

  // Pointers.

  listen(/** @type {AbortSignal} */ signal) {
    /** @type {Map<number, PointerEvent>} */
    const down = new Map();
    let moved = 0;
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act, more = {}) =>
      this.element.addEventListener(name, act, { signal, ...more });
    on('pointerdown', event => { if (down.size === 0) moved = 0; down.set(event.pointerId, event); });
    on('pointermove', event => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const other = [...down.values()].find(pointer => pointer.pointerId !== event.pointerId);
      moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
      if (other) {
        moved += 10;
        const gap = (/** @type {PointerEvent} */ pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
        const middle = this.pointAt({ clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
        this.zoom(gap(event) / Math.max(1, gap(before)), middle.x, middle.y);
      } else if (moved > 6) {
        this.element.setPointerCapture(event.pointerId);
        this.moveTo(this.view.left - (event.clientX - before.clientX) / this.scale,
          this.view.top - (event.clientY - before.clientY) / this.scale, this.view.width);
      }
      down.set(event.pointerId, event);
    });
    for (const name of ['pointerup', 'pointercancel']) on(name, event => {
      if (down.delete(event.pointerId) && name === 'pointerup' && down.size === 0 && moved <= 6) this.tap(event);
    });
    on('wheel', event => {
      event.preventDefault();
      const { x, y } = this.pointAt(event);
      this.zoom(Math.exp(-event.deltaY / 400), x, y);
    }, { passive: false });
    on('keydown', event => this.press(event));
    on('focusin', event => { if (this.at && event.target.matches(':focus-visible')) this.reveal(this.at); });
  }

  tap(/** @type {PointerEvent} */ event) {
    const { x, y } = this.pointAt(event);
    if (this.element.classList.contains('is-far')) return this.zoom(22 / Pitch / this.scale, x, y);
    const reach = Math.max(Pitch * 0.6, 14 / this.scale);
    let nearest = null, distance = reach;
    for (const section of this.layout.sections) {
      if (x < section.left - reach || x > section.right + reach || y < section.top - reach || y > section.bottom + reach) continue;
      for (const seat of section.seats) {
        const gap = Math.hypot(seat.x - x, seat.y - y);
        if (gap < distance) [nearest, distance] = [seat, gap];
      }
    }
    if (!nearest) return;
    this.point(nearest, false);
    this.choose(nearest);
  }

  // Keys.

  press(/** @type {KeyboardEvent} */ event) {
    const directions = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
      ArrowDown: [0, 1] });
    const direction = directions[event.key];
    if (direction && this.at) this.point(this.next(this.at, direction) ?? this.at, true);
    else if ((event.key === 'Enter' || event.key === ' ') && this.at) this.choose(this.at);
    else if (event.key === '+' || event.key === '=') this.zoom(1.4);
    else if (event.key === '-') this.zoom(1 / 1.4);
    else if (event.key === '0') this.moveTo(this.home.left, this.home.top, this.home.width);
    else return;
    event.preventDefault();
  }

  /** The nearest seat in a direction. */
  next(/** @type {Seat} */ from, /** @type {number[]} */ [dx, dy]) {
    let best = null, bestCost = Infinity;
    for (const section of this.layout.sections) {
      for (const seat of section.seats) {
        const along = (seat.x - from.x) * dx + (seat.y - from.y) * dy,
          aside = Math.abs((seat.x - from.x) * dy) + Math.abs((seat.y - from.y) * dx);
        if (along <= Pitch * 0.3) continue;
        const cost = along + aside * (dx ? 5 : 2);
        if (cost < bestCost) [best, bestCost] = [seat, cost];
      }
    }
    return best;
  }

  /** Moves the cursor. Two buttons take turns, because a screen reader reads out a button when it gets the focus. */
  point(/** @type {Seat} */ seat, /** @type {boolean} */ takesFocus) {
    this.at = seat;
    if (takesFocus) {
      this.cursors.reverse();
      this.reveal(seat);
    }
    this.describe();
    this.cursors[0].setAttribute('tabindex', '0');
    this.cursors[1].setAttribute('tabindex', '-1');
    this.cursors[1].setAttribute('visibility', 'hidden');
    this.cursors[0].setAttribute('visibility', 'visible');
    if (takesFocus) this.cursors[0].focus({ preventScroll: true });
  }

  describe() {
    if (!this.at) return;
    const isMine = this.mine.has(this.at.number);
    for (const cursor of this.cursors) {
      cursor.setAttribute('transform', `translate(${this.at.x} ${this.at.y})`);
      cursor.setAttribute('aria-label', seatLabel(this.at, isMine));
      cursor.setAttribute('aria-pressed', `${isMine}`);
    }
  }
}
