// @ts-check
// The seats as a list of rows: for screen readers, and for everyone who prefers words to a map.
import { h, points, t } from './app.js';
import { seatLabel, sectionName, tierClass } from './seatmap.js';

/** @param {import('./layout.js').Layout} layout @param {Set<number>} mine @param {(seat: import('./layout.js').Seat) => void} choose */
export function createSeatList(layout, mine, choose) {
  /** @type {Map<number, HTMLButtonElement>} */
  const buttons = new Map();
  const groups = layout.sections.flatMap(section => section.name ? [{ name: sectionName(section),
    rows: section.rows }]
    : [...Map.groupBy(section.rows, row => row[0].price)].map(([price, rows]) => ({ name: points(price), rows })));

  function draw(/** @type {import('./layout.js').Seat} */ seat) {
    const element = buttons.get(seat.number), isMine = mine.has(seat.number);
    if (!element) return;
    element.replaceChildren(h('span', { 'aria-hidden': 'true' }, seat.place), h('span', { class: 'hidden' }, seatLabel(seat, isMine)));
    element.setAttribute('aria-pressed', `${isMine}`);
    element.setAttribute('aria-disabled', `${seat.status !== 'Available' && !isMine}`);
  }

  const element = h('div', { class: 'seat-list', hidden: true }, groups.map((group, index) => {
    const details = h('details', { open: index === 0 && groups.length < 8 }, h('summary', {}, group.name));
    // Sixty thousand buttons would take seconds: a group is built when it is opened.
    const build = () => {
      if (!details.open || details.childElementCount > 1) return;
      for (const row of group.rows) {
        details.append(h('div', { class: 'seat-row', role: 'group', 'aria-label': t('list.row', { row: row[0].row }) },
          h('span', { class: 'row-name', 'aria-hidden': 'true' }, row[0].row),
          row.map(seat => {
            const button = h('button', { type: 'button', class: `seat ${tierClass(seat.tier)}`, onclick: () => choose(seat) });
            buttons.set(seat.number, button);
            draw(seat);
            return button;
          })));
      }
    };
    details.addEventListener('toggle', build);
    build();
    return details;
  }));
  return { element, change: draw };
}
