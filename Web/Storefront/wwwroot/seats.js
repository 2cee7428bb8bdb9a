// @ts-check
import { api, button, concertOf, go, h, learnConcerts, notify, points, Refusal, refusalPanel, sentenceOf, store, stored, t,
  when } from './app.js';
import { bestTogether, layoutOf } from './layout.js';
import { follow } from './live.js';
import { passBar, passOf } from './pass.js';
import { createSeatList } from './seatlist.js';
import { SeatMap, seatName, signs, tierClass } from './seatmap.js';

const MaxSeats = 4;

/** The seats of a schedule, to choose from. @param {import('./app.js').Page} page */
export async function show(page) {
  const [concertId, scheduleId] = page.params, pass = passOf(page, concertId);
  if (!pass) return;
  await learnConcerts([concertId], page.signal);
  const concert = concertOf(concertId), schedule = stored('schedules')?.[scheduleId];
  page.title(t('seats.title'));
  page.main.className = 'is-seats';
  const pending = unanswered();
  const read = (/** @type {string} */ part) => api('GET', `/api/schedules/${scheduleId}/${part}`,
    { token: pass.token, signal: page.signal });
  // The map works without the venue's plan, and not without the seats.
  const [map, plan] = await Promise.all([read('seats'), read('plan').catch(() => null)]);
  const layout = layoutOf(map, plan), mine = /** @type {Set<number>} */ (new Set());
  let version = map.version;

  // The choice.

  const chosen = h('ul', { class: 'chosen' }), total = h('strong', { class: 'total' }), count = h('span', { class: 'hint' }),
    message = h('div', {});
  const spoken = h('p', { class: 'hidden', role: 'status' });
  const holdButton = button(t('seats.hold'), 'primary wide', () => hold());
  let isHolding = false;

  /** The request of this pass that has no answer yet. The customer no longer waits for one of an earlier pass. */
  function unanswered() {
    const request = stored(`hold:${scheduleId}`, sessionStorage);
    return request?.pass === pass.tokenId ? request : null;
  }

  function choose(/** @type {import('./layout.js').Seat} */ seat) {
    if (isHolding) return;
    if (mine.has(seat.number)) mine.delete(seat.number);
    else if (seat.status !== 'Available') return void notify(t('seats.taken', { seat: seatName(seat) }));
    else if (mine.size === MaxSeats) return void notify(t('seats.max', { max: MaxSeats }));
    else mine.add(seat.number);
    message.replaceChildren();
    seatMap.change(seat);
    list.change(seat);
    drawChoice();
  }

  function drawChoice() {
    const seats = [...mine].map(name => layout.seats.get(name)).filter(seat => seat !== undefined).sort((a, b) => a.number - b.number);
    chosen.replaceChildren(...seats.map(seat => h('li', { class: tierClass(seat.tier) }, h('span', {}, seatName(seat)),
      h('span', {}, points(seat.price)),
      h('button', { type: 'button', class: 'remove', 'aria-label': t('seats.remove', { seat: seatName(seat) }),
        onclick: () => choose(seat) }, '×'))));
    total.textContent = seats.length ? points(seats.reduce((sum, seat) => sum + seat.price, 0)) : '';
    count.textContent = seats.length ? t('seats.count', { count: seats.length }) : t('seats.none');
    spoken.textContent = `${count.textContent} ${total.textContent}`;
    holdButton.disabled = seats.length === 0 || isHolding;
  }

  function best(/** @type {number} */ wanted) {
    const seats = bestTogether(layout, wanted);
    if (!seats) return void notify(t('seats.notTogether', { count: wanted }));
    const before = [...mine];
    mine.clear();
    for (const seat of seats) mine.add(seat.number);
    for (const name of [...before, ...mine]) { const seat = layout.seats.get(name); if (seat) { seatMap.change(seat); list.change(seat); } }
    message.replaceChildren();
    seatMap.point(seats[0], false);
    seatMap.reveal(seats[0]);
    drawChoice();
  }

  /** Holds the chosen seats. The key is kept until the outcome is known: a repeat after a lost answer or a reload is the same request. */
  async function hold(seats = [...mine].sort((a, b) => a - b)) {
    if (isHolding) return;
    isHolding = true;
    drawChoice();
    holdButton.textContent = t('seats.holding');
    const name = `hold:${scheduleId}`, earlier = unanswered();
    const request = earlier && `${earlier.seats}` === `${seats}` ? earlier : { key: crypto.randomUUID(), seats, pass: pass.tokenId };
    store(name, request, sessionStorage);
    try {
      const reservation = await api('POST', '/api/reservations', { key: request.key, token: pass.token,
        body: { scheduleId: Number(scheduleId), seatNumbers: seats } });
      store(name, null, sessionStorage);
      store('held', { ...stored('held'), [reservation.reservationId]: seats.map(seat => layout.seats.get(seat)).map(seat => seat
        && seatName(seat)) });
      return go(`/reservations/${reservation.reservationId}`);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal('ERROR');
      if (!refusal.isOpen) store(name, null, sessionStorage);
      isHolding = false;
      holdButton.textContent = t('seats.hold');
      if (refusal.code === 'SEAT_UNAVAILABLE' || refusal.code === 'SEAT_NOT_FOUND') lose(refusal);
      else message.replaceChildren(refusalPanel(refusal, () => hold(seats), concertId));
      drawChoice();
    }
  }

  /** Another customer was faster: the other chosen seats stay. */
  function lose(/** @type {Refusal} */ refusal) {
    const lost = (refusal.problem.seats ?? []).map((/** @type {number} */ name) => layout.seats.get(name)).filter(Boolean);
    for (const seat of lost) {
      mine.delete(seat.number);
      update(seat, 'Held');
    }
    message.replaceChildren(h('p', { class: 'alert', role: 'alert', 'data-code': refusal.code }, sentenceOf(refusal.code),
      lost.length ? ` ${lost.map(seatName).join(' · ')}` : ''));
  }

  // Live changes.

  function update(/** @type {import('./layout.js').Seat} */ seat, /** @type {string} */ status) {
    if (seat.status === status) return;
    seat.section.free += (status === 'Available' ? 1 : 0) - (seat.status === 'Available' ? 1 : 0);
    seat.status = status;
    if (status !== 'Available' && mine.has(seat.number) && !isHolding) {
      mine.delete(seat.number);
      notify(t('seats.gone', { seat: seatName(seat) }));
      drawChoice();
    }
    seatMap.change(seat);
    list.change(seat);
  }

  follow(`/api/schedules/${scheduleId}/seats/events`, {
    token: pass.token, signal: page.signal, after: () => version,
    refused(status, code) {
      const refusal = new Refusal(code, status);
      if (refusal.isOpen) return true;
      message.replaceChildren(refusalPanel(refusal, () => go(location.pathname, true), concertId));
      return false;
    },
    on(_, data) {
      version = data.version;
      for (const change of data.seats) { const seat = layout.seats.get(change.number); if (seat) update(seat, change.status); }
    }
  });

  // The page.

  const seatMap = new SeatMap(layout, mine, choose, page.signal), list = createSeatList(layout, mine, choose);
  const zoom = (/** @type {string} */ text, /** @type {string} */ key, /** @type {() => void} */ act) =>
    button(text, 'icon', act, { 'aria-label': t(key), title: t(key) });
  const mapView = h('div', { class: 'map-view' }, h('div', { class: 'map-box' }, seatMap.element,
    h('div', { class: 'zoom' }, zoom('+', 'map.in', () => seatMap.zoom(1.6)),
    zoom('−', 'map.out', () => seatMap.zoom(1 / 1.6)), zoom('⤢', 'map.fit',
      () => seatMap.moveTo(seatMap.home.left, seatMap.home.top, seatMap.home.width)))),
  legend(layout), h('p', { class: 'hint keys' }, t('map.keys')));
  const views = { map: mapView, list: list.element };
  const tabs = Object.keys(views).map(name => button(t(`seats.${name}`), 'tab', () => select(name), { 'aria-pressed': 'false' }));
  function select(/** @type {string} */ name) {
    Object.entries(views).forEach(([key, view], index) => {
      view.hidden = key !== name;
      tabs[index].setAttribute('aria-pressed', `${key === name}`);
    });
    seatMap.draw();
  }
  const bestOf = h('div', { class: 'best', role: 'group', 'aria-label': t('seats.best') }, h('span', {}, t('seats.best')),
    Array.from({ length: MaxSeats }, (_, index) =>
      h('button', { type: 'button', class: 'button icon', onclick: () => best(index + 1) },
        h('b', { 'aria-hidden': 'true' }, `${index + 1}`),
        h('span', { class: 'hidden' }, t('seats.bestOf', { count: index + 1 })))));
  page.main.replaceChildren(h('section', { class: 'booking' },
    h('div', { class: 'booking-head' }, passBar(page, pass), h('h1', {}, concert?.title ?? t('seats.title')),
      h('p', { class: 'lead' }, schedule ? when(schedule.startsAt, schedule.timeZone, 'full') : '')),
    h('div', { class: 'booking-map' }, h('div', { class: 'toolbar' }, h('div',
      { class: 'tabs', role: 'group', 'aria-label': t('seats.view') }, tabs), bestOf), mapView, list.element),
    h('aside', { class: 'card booking-choice', 'aria-labelledby': 'choice' }, h('h2', { id: 'choice' }, t('seats.choice')), chosen,
      h('p', { class: 'sum' }, count, total), message, holdButton, h('p', { class: 'hint' }, t('seats.holdHint')), spoken)));
  select('map');
  drawChoice();
  // A reload came before the answer: the same request brings it.
  if (pending) hold(pending.seats);
}

function legend(/** @type {import('./layout.js').Layout} */ layout) {
  const sign = (/** @type {string} */ style, /** @type {string} */ path) =>
    h('svg:svg', { class: 'sign', viewBox: '-6 -6 12 12', 'aria-hidden': 'true' }, h('svg:path', { class: style, d: path }));
  const square = 'M-3.6-1.6q0-2 2-2h3.2q2 0 2 2v3.2q0 2-2 2h-3.2q-2 0-2-2z';
  return h('ul', { class: 'legend', 'aria-label': t('map.legend') },
    layout.tiers.slice(0, 6).map((price, tier) => h('li', {}, sign(`seats free ${tierClass(tier)}`, square), points(price))),
    h('li', {}, sign('mine-sign', 'M-4-2q0-2 2-2h4q2 0 2 2v4q0 2-2 2h-4q-2 0-2-2z'), t('seat.mine')),
    h('li', {}, sign('seats held', 'M-2.2 0a2.2 2.2 0 1 0 4.4 0a2.2 2.2 0 1 0-4.4 0'), t('seat.Held')),
    h('li', {}, sign('seats sold', 'M-1.8-1.8l3.6 3.6m0-3.6l-3.6 3.6'), t('seat.Sold')),
    Object.keys(signs).filter(flag => [...layout.seats.values()].some(seat => seat.flags.includes(flag))).map(flag =>
      h('li', {}, h('span', { class: 'sign-text', 'aria-hidden': 'true' }, signs[flag]), t(`seat.${flag}`))));
}
