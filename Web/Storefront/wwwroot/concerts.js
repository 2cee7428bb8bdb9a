// @ts-check
import { api, button, clock, everySecond, h, link, locale, now, refusalPanel, store, stored, t, when } from './app.js';
import { poster } from './poster.js';

/** The concerts, the next sale first in the eye. @param {import('./app.js').Page} page */
export async function show(page) {
  page.title(t('concerts.title'));
  const list = h('ul', { class: 'concerts' }), more = h('div', { class: 'actions' });
  page.main.replaceChildren(
    h('section', { class: 'hero' }, h('p', { class: 'eyebrow' }, t('concerts.eyebrow')), h('h1', {}, t('concerts.hero')),
      h('p', { class: 'lead' }, t('concerts.lead')), h('div', { class: 'beat', 'aria-hidden': 'true' },
        Array.from({ length: 24 }, () => h('i')))),
    h('section', { 'aria-labelledby': 'list' }, h('h2', { id: 'list' }, t('concerts.list')), list, more));
  /** @type {(() => void)[]} */
  const ticks = [];

  async function load(cursor = '') {
    const { items, nextCursor } = await api('GET', `/api/concerts?limit=24${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { signal: page.signal });
    const known = stored('concerts') ?? {};
    for (const concert of items) {
      known[concert.concertId] = concert;
      list.append(card(concert, ticks));
    }
    store('concerts', known);
    if (!list.childElementCount) list.append(h('li', { class: 'empty' }, t('concerts.none')));
    more.replaceChildren(...nextCursor ? [button(t('more'), 'quiet', () =>
      load(nextCursor).catch(error => more.replaceChildren(refusalPanel(error, () => load(nextCursor)))))] : []);
  }

  await load();
  everySecond(page.signal, () => ticks.forEach(tick => tick()));
}

function card(/** @type {any} */ concert, /** @type {(() => void)[]} */ ticks) {
  const day = (/** @type {string} */ iso) => when(iso, concert.timeZone, 'day');
  const dates = !concert.firstDate ? t('concerts.noDates') : day(concert.firstDate) === day(concert.lastDate)
    ? when(concert.firstDate, concert.timeZone)
    : t('concerts.dates', { first: day(concert.firstDate), last: day(concert.lastDate) });
  const state = h('p', { class: 'sale' }), countdown = h('span', { class: 'countdown' });
  const enter = link(`/concerts/${concert.concertId}`, 'button primary', '');
  let shown = '';
  ticks.push(() => {
    const opens = Date.parse(concert.saleOpensAt) - now(), closes = Date.parse(concert.saleClosesAt) - now();
    const phase = opens > 0 ? 'before' : closes > 0 ? 'open' : 'over';
    if (phase === 'before') countdown.textContent = clock(opens);
    if (phase === shown) return;
    shown = phase;
    state.className = `sale is-${phase}`;
    state.replaceChildren(t(`sale.${phase}`), ...phase === 'before' ? [' ', countdown] : []);
    enter.textContent = t(`concerts.enter.${phase}`);
    enter.hidden = phase === 'over';
    enter.setAttribute('aria-label', `${enter.textContent}: ${concert.title}`);
  });
  return h('li', { class: 'card concert' }, poster(concert.concertId),
    h('div', { class: 'concert-text' }, h('h3', {}, concert.title), h('p', { class: 'venue' }, concert.venue),
      h('p', { class: 'dates' }, dates),
      concert.timeZone && h('p', { class: 'hint' }, t('zone', { zone: zoneName(concert.timeZone) })), state, enter));
}

/** The name of a time zone in the customer's language. */
function zoneName(/** @type {string} */ timeZone) {
  const parts = new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'longGeneric' }).formatToParts(now());
  return parts.find(part => part.type === 'timeZoneName')?.value ?? timeZone;
}
