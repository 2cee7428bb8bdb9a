// @ts-check
import { clock, everySecond, go, h, now, stored, t } from './app.js';

/** The customer's pass for a concert. Without one, leads to the waiting room. @param {import('./app.js').Page} page */
export function passOf(page, /** @type {string} */ concertId) {
  const place = stored(`place:${concertId}`)?.place;
  if (place?.status === 'Active') return place;
  go(`/concerts/${concertId}`, true);
  // The page ends here: another one replaces it.
  return null;
}

/** Shows how long the pass still opens the booking. @param {import('./app.js').Page} page */
export function passBar(page, /** @type {any} */ pass) {
  const left = h('strong'), spoken = h('span', { class: 'hidden', role: 'status' }),
    bar = h('p', { class: 'pass' }, t('pass.left'), ' ', left, spoken);
  everySecond(page.signal, () => {
    const rest = Date.parse(pass.expiresAt) - now();
    left.textContent = clock(rest);
    bar.classList.toggle('is-short', rest < 60000);
    if (rest < 60000 && rest > 58000) spoken.textContent = t('pass.minute');
  });
  return bar;
}
