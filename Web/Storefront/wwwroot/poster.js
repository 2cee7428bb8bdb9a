// @ts-check
// A poster for each concert, drawn from its id: the same on every visit, and no picture to load.
import { h } from './app.js';

/** Repeatable numbers from 0 to 1. */
function numbers(/** @type {number} */ seed) {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}

const palettes = [['#2a1247', '#ff5d47', '#ffb23e', '#ffe9c9'], ['#0d2f3f', '#19b2a6', '#ffcf56', '#f4f1de'],
  ['#3a0d2b', '#e8447a', '#8f6bff', '#ffd6e8'],
  ['#10254f', '#4d8dff', '#ff8a5b', '#f1ecff'], ['#1f3018', '#8bc34a', '#ffd166', '#f5ffe3']];

/** @param {number} id @returns {SVGElement} */
export function poster(id) {
  const next = numbers(id + 7), [ground, first, second, light] = palettes[(id - 1) % palettes.length];
  const shapes = [h('svg:rect', { width: 400, height: 260, fill: ground })];
  const kind = id % 3, x = 120 + next() * 160;
  if (kind === 1) {
    for (let index = 0; index < 9; index++) {
      const to = -60 + index * 62 + next() * 30;
      shapes.push(h('svg:polygon', { points: `${x},-10 ${to},270 ${to + 34 + next() * 30},270`, fill: [first, second, light][index % 3],
        opacity: 0.18 + next() * 0.3 }));
    }
    shapes.push(h('svg:circle', { cx: x, cy: 206, r: 46, fill: second }), h('svg:rect', { y: 206, width: 400, height: 60, fill: ground }));
  } else if (kind === 2) {
    for (let index = 9; index > 0; index--) {
      shapes.push(h('svg:circle', { cx: x, cy: 150, r: index * 24, fill: 'none', stroke: [first, second, light][index % 3], opacity: 0.9,
        'stroke-width': 4 + next() * 9, 'stroke-dasharray': `${40 + next() * 220} ${10 + next() * 60}`, 'stroke-linecap': 'round' }));
    }
    shapes.push(h('svg:circle', { cx: x, cy: 150, r: 13, fill: light }));
  } else {
    for (let line = 0; line < 12; line++) {
      const height = 40 + line * 18, swing = 14 + next() * 30;
      shapes.push(h('svg:path', { d: `M-10 ${height} C ${90} ${height - swing}, ${150} ${height + swing}, ${x} ${height - swing / 2}`
        + ` S ${320} ${height + swing}, 410 ${height}`, fill: 'none', stroke: [first, second, light][line % 3],
          'stroke-width': 2 + next() * 6, opacity: 0.85 }));
    }
    shapes.push(h('svg:circle', { cx: 400 - x, cy: 96, r: 40, fill: second, opacity: 0.95 }));
  }
  return h('svg:svg', { class: 'poster', viewBox: '0 0 400 260', preserveAspectRatio: 'xMidYMid slice', 'aria-hidden': 'true' }, shapes);
}
