// @ts-check
import { api, ask, button, concertOf, h, learnConcerts, link, now, number, points, Refusal, refusalPanel, sentenceOf, stored, t,
  when } from './app.js';
import { checkout, seatsOf } from './checkout.js';
import { poster } from './poster.js';
import { qrCode } from './qr.js';

const moving = ['Pending', 'Paying', 'Cancelling'];

/** A reservation: its checkout while the seats are held, its ticket and history afterwards. @param {import('./app.js').Page} page */
export async function show(page) {
  const [id] = page.params;
  let stage = /** @type {AbortController | null} */ (null), reading = /** @type {Promise<void> | null} */ (null);

  /** What is shown stays until there is an answer. Only the first read leaves a failure to the page. */
  async function read(/** @type {boolean} */ isFirst) {
    for (let round = 0; ; round++) {
      try {
        return await api('GET', `/api/reservations/${id}`, { signal: page.signal });
      } catch (error) {
        if (isFirst || page.signal.aborted || !(error instanceof Refusal && error.isOpen)) throw error;
      }
      await pause(round);
    }
  }

  async function draw() {
    let reservation = await read(stage === null);
    stage?.abort();
    stage = new AbortController();
    const inner = { ...page, signal: AbortSignal.any([page.signal, stage.signal]) };
    Object.defineProperty(inner, 'guard', { get: () => page.guard, set: guard => { page.guard = guard; } });
    for (let round = 0; moving.includes(reservation.status); round++) {
      if (round === 0) drawMoving(page, reservation.status);
      await pause(round);
      if (page.signal.aborted) return;
      reservation = await read(false);
    }
    if (reservation.status === 'AwaitingPayment') return checkout(inner, reservation, reread);
    page.guard = null;
    await drawOutcome(page, reservation, reread);
  }

  const reread = () => reading ??= draw().finally(() => { reading = null; });

  await reread();
}

const pause = (/** @type {number} */ round) => new Promise(resolve => setTimeout(resolve, Math.min(5000, 500 * 1.4 ** round)));

function drawMoving(/** @type {import('./app.js').Page} */ page, /** @type {string} */ status) {
  page.title(t(`status.${status}`));
  page.main.replaceChildren(h('section', { class: 'narrow centred' }, h('div', { class: 'beat', 'aria-hidden': 'true' },
    Array.from({ length: 7 }, () => h('i'))),
    h('h1', { role: 'status' }, t(`status.${status}`)), h('p', { class: 'lead' }, t('reservation.moving'))));
}

/** What is known about the concert of a reservation: the ticket names it, else what this browser has seen. */
export function aboutConcert(/** @type {any} */ reservation, /** @type {any} */ ticket = null) {
  const schedule = stored('schedules')?.[reservation.scheduleId], concertId = reservation.concertId ?? schedule?.concertId,
    concert = concertOf(concertId);
  return { concertId, title: ticket?.title ?? reservation.title ?? concert?.title ?? t('reservation.title'),
    venue: ticket?.venue ?? concert?.venue ?? '',
    startsAt: ticket?.startsAt ?? reservation.startsAt ?? schedule?.startsAt,
      timeZone: ticket?.timeZone ?? schedule?.timeZone ?? concert?.timeZone };
}

async function drawOutcome(/** @type {import('./app.js').Page} */ page, /** @type {any} */ reservation,
  /** @type {() => Promise<void>} */ reread) {
  const id = reservation.reservationId, isConfirmed = reservation.status === 'Confirmed';
  const [ticket, entries] = await Promise.all([
    isConfirmed ? api('GET', `/api/reservations/${id}/ticket`, { signal: page.signal }).catch(() => null) : null,
    reservation.totalPrice === null ? [] : api('GET', '/api/points/entries?limit=100',
      { signal: page.signal }).then(answer => answer.items).catch(() => []),
    learnConcerts([reservation.concertId], page.signal).catch(() => null)]);
  const about = aboutConcert(reservation, ticket), message = h('div');
  page.title(t(`status.${reservation.status}`));
  page.main.replaceChildren(h('section', { class: 'narrow' },
    h('p', { class: 'eyebrow' }, t(`status.${reservation.status}`)), h('h1', {}, t(`outcome.${reservation.status}`)),
    reservation.failure && h('p', { class: 'lead' }, sentenceOf(reservation.failure.code)),
    ticketCard(reservation, about, ticket),
    isConfirmed && h('div', { class: 'actions' }, button(t('ticket.print'), 'primary', () => print()),
      !isFinal(reservation) && cancelButton(reservation, about, message, reread)),
    isConfirmed && h('p', { class: 'hint' }, deadlineOf(reservation, about)), message,
    !isConfirmed && h('div', { class: 'actions' }, about.concertId ? link(`/concerts/${about.concertId}`, 'button primary',
      t('reservation.again')) : null,
      link('/', 'button quiet', t('way.concerts'))),
    h('h2', {}, t('history.title')), history(reservation, entries)));
}

/** The ticket as a card to show at the entrance. */
function ticketCard(/** @type {any} */ reservation, /** @type {any} */ about, /** @type {any} */ ticket) {
  const code = ticket?.code;
  return h('article', { class: `ticket is-${reservation.status.toLowerCase()}` },
    h('div', { class: 'ticket-art' }, poster(about.concertId ?? 1)),
    h('div', { class: 'ticket-text' }, h('h2', {}, about.title), h('p', { class: 'venue' }, about.venue),
      about.startsAt && h('p', { class: 'dates' }, when(about.startsAt, about.timeZone, 'full')), seatsOf(reservation),
      reservation.totalPrice !== null && h('p', { class: 'total' }, points(reservation.totalPrice))),
    reservation.status === 'Confirmed' && h('div', { class: 'ticket-code' }, code ? qrCode(code, t('ticket.code')) : null,
      h('p', { class: 'hint' }, code ? t('ticket.show') : t('ticket.none')),
        h('p', { class: 'booking-number' }, reservation.reservationId.slice(-12).toUpperCase())));
}

/** Whether the reservation can no longer be cancelled. The server decides; until it states a deadline, the customer may try. */
const isFinal = (/** @type {any} */ reservation) => Date.parse(reservation.cancellableUntil) <= now();

function deadlineOf(/** @type {any} */ reservation, /** @type {any} */ about) {
  const until = reservation.cancellableUntil;
  return until ? t(isFinal(reservation) ? 'cancel.over' : 'cancel.until', { time: when(until, about.timeZone) }) : t('cancel.unknown');
}

function cancelButton(/** @type {any} */ reservation, /** @type {any} */ about, /** @type {HTMLElement} */ message,
  /** @type {() => Promise<void>} */ reread) {
  return button(t('cancel.title'), 'quiet', async event => {
    const text = `${t('cancel.text', { amount: reservation.totalPrice ?? 0 })} ${deadlineOf(reservation, about)}`;
    if (!await ask(t('cancel.question'), text, t('cancel.yes'), t('cancel.no'))) return;
    event.target.disabled = true;
    try {
      await api('DELETE', `/api/reservations/${reservation.reservationId}`);
      await reread();
    } catch (error) {
      event.target.disabled = false;
      message.replaceChildren(refusalPanel(error, () => event.target.click()));
    }
  });
}

/** What happened, in words. */
function history(/** @type {any} */ reservation, /** @type {any[]} */ entries) {
  const zone = aboutConcert(reservation).timeZone, own = entries.filter(entry => entry.reservationId === reservation.reservationId);
  const events = [{ at: reservation.createdAt, text: t('history.requested', { count: reservation.seatNumbers.length }) },
    ...own.map(entry => ({ at: entry.at, text: t(`history.${entry.kind}`, { amount: Math.abs(entry.amount) }) })),
    { at: reservation.updatedAt, text: t(`history.${reservation.status}`) }];
  return h('ol', { class: 'history' }, events.sort((a, b) => Date.parse(a.at) - Date.parse(b.at)).map(event =>
    h('li', {}, h('time', { datetime: event.at }, when(event.at, zone)), h('span', {}, event.text))));
}
