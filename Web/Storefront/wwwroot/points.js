// @ts-check
import { api, button, h, link, number, points, refusalPanel, t, when } from './app.js';
import { chargeForm } from './checkout.js';

/** The balance, its entries, and charging. @param {import('./app.js').Page} page */
export async function show(page) {
  page.title(t('points.title'));
  const balance = h('strong', { class: 'balance' }), list = h('ul', { class: 'entries' }), more = h('div', { class: 'actions' });
  const showBalance = (/** @type {number} */ amount) => { balance.textContent = points(amount); };
  page.main.replaceChildren(h('section', { class: 'narrow' }, h('h1', {}, t('points.title')),
    h('div', { class: 'card wallet' }, h('p', {}, t('points.balance')), balance,
      chargeForm(100000, amount => { showBalance(amount); list.replaceChildren(); load(); })),
    h('h2', {}, t('points.entries')), list, more));

  async function load(cursor = '') {
    const { items, nextCursor } = await api('GET', `/api/points/entries?limit=30${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { signal: page.signal });
    list.append(...items.map(item));
    if (!list.childElementCount) list.append(h('li', { class: 'empty' }, t('points.none')));
    more.replaceChildren(...nextCursor ? [button(t('more'), 'quiet', () =>
      load(nextCursor).catch(error => more.replaceChildren(refusalPanel(error, () => load(nextCursor)))))] : []);
  }

  showBalance((await api('GET', '/api/points', { signal: page.signal })).balance);
  await load();
}

function item(/** @type {any} */ entry) {
  const sign = entry.amount > 0 ? '+' : '−';
  return h('li', { class: 'card entry' }, h('span', { class: 'entry-text' },
    entry.reservationId ? link(`/reservations/${entry.reservationId}`, '', t(`entry.${entry.kind}`)) : h('b', {}, t(`entry.${entry.kind}`)),
    h('time', { class: 'hint', datetime: entry.at }, when(entry.at, undefined))),
  h('span', { class: `amount ${entry.amount > 0 ? 'is-plus' : ''}` }, `${sign}${number(Math.abs(entry.amount))}`),
    h('span', { class: 'hint' }, points(entry.balanceAfter)));
}
