// @ts-check
import { api, button, concertOf, h, learnConcerts, link, locale, refusalPanel, store, stored, t, when } from './app.js';
import { passBar, passOf } from './pass.js';

/** The dates of a concert with the seats that are left. @param {import('./app.js').Page} page */
export async function show(page) {
  const [id] = page.params, pass = passOf(page, id);
  if (!pass) return;
  await learnConcerts([id], page.signal);
  const concert = concertOf(id), title = concert?.title ?? t('schedules.title');
  page.title(title);
  const list = h('ul', { class: 'dates-list' }), more = h('div', { class: 'actions' });
  page.main.replaceChildren(h('section', { class: 'broad' }, passBar(page, pass), h('p', { class: 'eyebrow' }, concert?.venue ?? ''),
    h('h1', {}, title),
    h('p', { class: 'lead' }, t('schedules.lead')), list, more));

  async function load(cursor = '') {
    const { items, nextCursor } = await api('GET',
      `/api/concerts/${id}/schedules?limit=60${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { token: pass.token, signal: page.signal });
    const known = stored('schedules') ?? {};
    for (const schedule of items) {
      const zone = schedule.timeZone ?? concert?.timeZone;
      known[schedule.scheduleId] = { startsAt: schedule.startsAt, timeZone: zone, concertId: Number(id) };
      list.append(item(id, schedule, zone));
    }
    store('schedules', known);
    if (!list.childElementCount) list.append(h('li', { class: 'empty' }, t('schedules.none')));
    more.replaceChildren(...nextCursor ? [button(t('more'), 'quiet', () =>
      load(nextCursor).catch(error => more.replaceChildren(refusalPanel(error, () => load(nextCursor), id))))] : []);
  }

  await load();
}

function item(/** @type {string} */ id, /** @type {any} */ schedule, /** @type {string | undefined} */ timeZone) {
  const share = schedule.availableSeats / Math.max(1, schedule.totalSeats), isFull = schedule.availableSeats === 0;
  const part = (/** @type {Intl.DateTimeFormatOptions} */ format) =>
    new Intl.DateTimeFormat(locale, { ...format, timeZone }).format(new Date(schedule.startsAt));
  const content = [
    h('span', { class: 'date-day', 'aria-hidden': 'true' }, h('b', {}, part({ day: 'numeric' })), part({ month: 'short' })),
    h('span', { class: 'date-text' }, h('b', {}, when(schedule.startsAt, timeZone)),
      h('span', { class: 'seats-left' }, isFull ? t('schedules.full') : t('schedules.left', { count: schedule.availableSeats }))),
    h('meter', { class: 'left', min: 0, max: 1, low: 0.15, high: 0.4, optimum: 1, value: share, 'aria-label': t('schedules.share') })];
  return h('li', {}, isFull ? h('div', { class: 'card date is-full' }, content)
    : link(`/concerts/${id}/schedules/${schedule.scheduleId}`, 'card date', content));
}
