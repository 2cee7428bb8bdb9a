// @ts-check
import { api, ask, button, clock, everySecond, h, now, number, points, Refusal, refusalPanel, sentenceOf, store, stored, t,
  tokenOf } from './app.js';

/** Charges points. The key of a charge is kept until its outcome is known, so a repeat never charges twice. */
export async function charge(/** @type {number} */ amount) {
  const earlier = stored('charge', sessionStorage), request = earlier?.amount === amount ? earlier : { key: crypto.randomUUID(), amount };
  store('charge', request, sessionStorage);
  try {
    const charged = await api('POST', '/api/points/charges', { key: request.key, body: { amount } });
    store('charge', null, sessionStorage);
    return charged.balance;
  } catch (error) {
    if (error instanceof Refusal && !error.isOpen) store('charge', null, sessionStorage);
    throw error;
  }
}

/** A form that charges points. @param {number} amount the amount proposed @param {(balance: number) => void} done */
export function chargeForm(amount, done) {
  const input = h('input', { id: 'amount', type: 'number', min: 1, step: 1, inputmode: 'numeric', required: true, value: amount }),
    message = h('div');
  const submit = h('button', { type: 'submit', class: 'button primary' }, t('charge.submit'));
  const form = h('form', { class: 'charge', onsubmit: send }, h('label', { for: 'amount' }, t('charge.amount')),
    h('div', { class: 'row' }, input, submit), message);
  async function send(/** @type {Event | undefined} */ event) {
    event?.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    try {
      const charged = Number(input.value), balance = await charge(charged);
      message.replaceChildren(h('p', { class: 'done', role: 'status' }, t('charge.done', { amount: charged, balance })));
      done(balance);
    } catch (error) {
      message.replaceChildren(refusalPanel(error, () => send(undefined)));
    }
    submit.disabled = false;
  }
  return form;
}

/** The checkout of a held reservation.
 * @param {import('./app.js').Page} page @param {() => Promise<void>} reread shows the reservation again */
export async function checkout(page, /** @type {any} */ reservation, reread) {
  const { reservationId: id, concertId, totalPrice: price } = reservation;
  const left = h('strong', { class: 'hold-clock' }), spoken = h('p', { class: 'hidden', role: 'alert' });
  const bar = h('div', { class: 'card hold' }, h('p', {}, t('checkout.held')), left, h('p', { class: 'hint' }, t('checkout.heldHint')),
    spoken);
  const balanceLine = h('dd', {}, '…'), rest = h('dd', {}, '…'), missing = h('div'), message = h('div');
  const payButton = button(t('checkout.pay', { amount: price }), 'primary wide', () => pay());
  let isPaying = false, end = Date.parse(reservation.holdExpiresAt), hasEnded = false;
  page.guard = () => ask(t('checkout.awayTitle'), t('checkout.awayText'), t('room.awayYes'), t('room.stay'));

  function showBalance(/** @type {number} */ balance) {
    balanceLine.textContent = points(balance);
    rest.textContent = balance >= price ? points(balance - price) : '–';
    payButton.disabled = isPaying || balance < price;
    missing.replaceChildren(...balance >= price ? [] : [h('div', { class: 'alert' },
      h('p', {}, t('checkout.missing', { amount: price - balance }))),
      chargeForm(price - balance, amount => { showBalance(amount); payButton.focus(); })]);
  }
  const readBalance = async () => showBalance((await api('GET', '/api/points', { signal: page.signal })).balance);

  /** Pays once: the payment belongs to the reservation, so a second request joins the first. */
  async function pay() {
    if (isPaying) return;
    isPaying = true;
    payButton.disabled = true;
    payButton.textContent = t('checkout.paying');
    message.replaceChildren();
    try {
      const token = tokenOf(concertId) ?? (await api('POST', '/api/queue/tokens', { body: { concertId } })).token;
      await api('POST', `/api/reservations/${id}/payment`, { token });
      store(`place:${concertId}`, null);
      return await reread();
    } catch (error) {
      if (page.signal.aborted) return;
      isPaying = false;
      payButton.textContent = t('checkout.pay', { amount: price });
      if (!(error instanceof Refusal) || error.isOpen) return await settle(error);
      if (error.code === 'INSUFFICIENT_POINTS') await readBalance().catch(() => null);
      else if (error.problem.reservationStatus && error.problem.reservationStatus !== 'AwaitingPayment') return await reread();
      else payButton.disabled = false;
      message.replaceChildren(error.code === 'INSUFFICIENT_POINTS' ? h('p', { class: 'alert', role: 'alert', 'data-code': error.code },
        sentenceOf(error.code))
        : refusalPanel(error, pay, concertId));
    }
  }

  /** The answer was lost: the reservation says whether the payment arrived. */
  async function settle(/** @type {unknown} */ error) {
    message.replaceChildren(h('p', { class: 'alert', role: 'alert', 'data-code': error instanceof Refusal ? error.code : 'ERROR' },
      t('checkout.lost')));
    for (let round = 0; !page.signal.aborted; round++) {
      await new Promise(resolve => setTimeout(resolve, Math.min(8000, 1000 * 2 ** round)));
      const current = await api('GET', `/api/reservations/${id}`, { signal: page.signal }).catch(() => null);
      if (!current) continue;
      if (current.status !== 'AwaitingPayment') return reread();
      message.replaceChildren(refusalPanel(error, pay, concertId));
      payButton.disabled = false;
      return;
    }
  }

  const warnings = new Set();
  page.main.replaceChildren(h('section', { class: 'narrow' }, h('p', { class: 'eyebrow' }, t('checkout.eyebrow')),
    h('h1', {}, t('checkout.title')), bar,
    h('div', { class: 'card' }, seatsOf(reservation), h('dl', { class: 'bill' }, h('dt', {}, t('checkout.price')),
      h('dd', { class: 'total' }, points(price)),
      h('dt', {}, t('points.balance')), balanceLine, h('dt', {}, t('checkout.rest')), rest), missing, message, payButton, cancelHold())));
  page.title(t('checkout.title'));
  everySecond(page.signal, () => {
    const remaining = end - now();
    left.textContent = clock(remaining);
    left.setAttribute('aria-label', t('checkout.left', { time: clock(remaining) }));
    bar.classList.toggle('is-short', remaining < 60000);
    bar.classList.toggle('is-ending', remaining < 10000);
    for (const seconds of [60, 10]) {
      if (remaining > seconds * 1000 || remaining < seconds * 1000 - 5000 || warnings.has(seconds)) continue;
      warnings.add(seconds);
      spoken.textContent = t('checkout.warning', { seconds: number(seconds) });
    }
    document.title = `${clock(remaining)} · ${t('checkout.title')}`;
    if (remaining > 0 || hasEnded || isPaying) return;
    hasEnded = true;
    // The hold ends a moment later at the server.
    setTimeout(() => { if (!page.signal.aborted) reread().catch(explain); }, 2000);
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && !isPaying) recheck();
  }, { signal: page.signal });

  function explain(/** @type {unknown} */ error) {
    if (!page.signal.aborted) message.replaceChildren(refusalPanel(error, () => { reread().catch(explain); }));
  }

  /** Another tab may have paid or cancelled. */
  async function recheck() {
    const current = await api('GET', `/api/reservations/${id}`, { signal: page.signal }).catch(() => null);
    if (current && current.status !== 'AwaitingPayment') await reread().catch(explain);
  }

  function cancelHold() {
    return button(t('checkout.giveUp'), 'quiet wide', async event => {
      event.target.disabled = true;
      try {
        await api('DELETE', `/api/reservations/${id}`);
        await reread();
      } catch (error) {
        event.target.disabled = false;
        message.replaceChildren(refusalPanel(error, () => event.target.click()));
      }
    });
  }

  await readBalance().catch(error => { if (!page.signal.aborted) message.replaceChildren(refusalPanel(error, () => readBalance(),
    concertId)); });
}

/** The seats of a reservation in words, as they were chosen, or by their numbers. */
export function seatsOf(/** @type {any} */ reservation) {
  const names = stored('held')?.[reservation.reservationId] ?? [];
  return h('ul', { class: 'chosen' }, reservation.seatNumbers.map((/** @type {number} */ seat, /** @type {number} */ index) =>
    h('li', {}, h('span', {}, names[index] ?? t('seat.number', { seat: `${seat}` })))));
}
