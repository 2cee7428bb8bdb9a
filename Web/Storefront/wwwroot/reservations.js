// @ts-check
import { api, button, h, learnConcerts, link, points, refusalPanel, t, when } from './app.js';
import { poster } from './poster.js';
import { aboutConcert } from './reservation.js';

/** The customer's reservations, newest first. @param {import('./app.js').Page} page */
export async function show(page) {
  page.title(t('reservations.title'));
  const list = h('ul', { class: 'reservations' }), more = h('div', { class: 'actions' });
  page.main.replaceChildren(h('section', { class: 'broad' }, h('h1', {}, t('reservations.title')), list, more));

  async function load(cursor = '') {
    const { items, nextCursor } = await api('GET', `/api/reservations?limit=20${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { signal: page.signal });
    await learnConcerts(items.map((/** @type {any} */ one) => one.concertId), page.signal).catch(() => null);
    list.append(...items.map(item));
    if (!list.childElementCount)
      list.append(h('li', { class: 'empty' }, h('p', {}, t('reservations.none')), link('/', 'button primary', t('way.concerts'))));
    more.replaceChildren(...nextCursor ? [button(t('more'), 'quiet', () =>
      load(nextCursor).catch(error => more.replaceChildren(refusalPanel(error, () => load(nextCursor)))))] : []);
  }

  await load();
}

function item(/** @type {any} */ reservation) {
  const about = aboutConcert(reservation), date = about.startsAt ?? reservation.createdAt;
  return h('li', {}, h('a', { class: `card stub is-${reservation.status.toLowerCase()}`,
    href: `/reservations/${reservation.reservationId}` },
    poster(about.concertId ?? 1),
    h('span', { class: 'stub-text' }, h('b', {}, about.title), h('span', {},
      about.startsAt ? when(date, about.timeZone) : t('reservations.made', { time: when(date, about.timeZone) })),
      h('span', { class: 'hint' }, t('seats.count', { count: reservation.seatNumbers.length }),
        reservation.totalPrice === null ? '' : ` · ${points(reservation.totalPrice)}`)),
    h('span', { class: 'badge' }, t(`status.${reservation.status}`))));
}
