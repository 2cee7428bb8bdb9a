// @ts-check
// Everything the waiting room needs, in one file: in the busiest minute it loads with three requests.
// Other pages have modules of their own.

/** @typedef {{ params: string[], main: HTMLElement, signal: AbortSignal, title: (text: string) => void,
 *   path: string, guard: (() => Promise<boolean>) | null }} Page */
/** @typedef {{ token: string, tokenId: string, concertId: number, status: string, position: number, peopleAhead: number,
 *   estimatedWaitSeconds: { low: number, high: number } | null, pollAfterSeconds: number, expiresAt: string, admission: string,
 *   soldOut: boolean }} Place */

// Words.

/** @type {Record<string, string>} */
const messages = JSON.parse(document.getElementById('messages')?.textContent ?? '{}');
export const language = document.documentElement.lang;
/** Dates and numbers as they are written where the customer is. */
export const locale = navigator.languages.find(own => own.split('-')[0] === language) ?? language;
const plurals = new Intl.PluralRules(language);

/** The text of a key. `count` chooses between its singular and its plural. @param {Record<string, any>} values */
export function t(/** @type {string} */ key, values = {}) {
  const text = values.count === undefined ? messages[key] : messages[`${key}.${plurals.select(values.count)}`] ?? messages[`${key}.other`];
  return (text ?? key).replace(/\{(\w+)\}/g, (_, name) => typeof values[name] === 'number' ? number(values[name]) : `${values[name]}`);
}

export const number = (/** @type {number} */ value) => new Intl.NumberFormat(locale).format(value);
export const points = (/** @type {number} */ amount) => t('points', { amount });

// Elements.

/** Creates an element. A property that starts with `on` is a listener; `class` and names with a dash are attributes.
 * @param {string} tag @param {Record<string, any>} properties @param {any[]} children @returns {any} */
export function h(tag, properties = {}, ...children) {
  const element = tag.startsWith('svg:') ? document.createElementNS('http://www.w3.org/2000/svg', tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export const link = (/** @type {string} */ to, /** @type {string} */ style, /** @type {any[]} */ ...children) =>
  h('a', { href: to, class: style }, ...children);

export const button = (/** @type {string} */ text, /** @type {string} */ style, /** @type {(event: any) => void} */ onclick, more = {}) =>
  h('button', { type: 'button', class: `button ${style}`, onclick, ...more }, text);

/** Says something in passing, on the screen and to a screen reader. */
export function notify(/** @type {string} */ text) {
  const notice = h('p', { class: 'notice' }, text);
  document.getElementById('notices')?.replaceChildren(notice);
  setTimeout(() => notice.remove(), 6000);
}

/** Asks a question; true if the customer agrees. @returns {Promise<boolean>} */
export function ask(/** @type {string} */ title, /** @type {string} */ text, /** @type {string} */ yes, /** @type {string} */ no) {
  return new Promise(resolve => {
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
      h('h2', { id: 'dialog-title' }, title), h('p', { id: 'dialog-text' }, text),
      h('div', { class: 'actions' }, button(no, 'quiet', () => dialog.close()), button(yes, 'primary', () => dialog.close('yes'))));
    dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Time, by the server's clock. The device's own may be wrong, and may be set while the page is open.

let known = Date.now(), knownAt = performance.now();
export const now = () => known + performance.now() - knownAt;

function readClock(/** @type {Response} */ response) {
  const date = Date.parse(response.headers.get('Date') ?? '');
  // The header has whole seconds and may be a second old, so the server is at most two seconds further. A clock out of that range is put
  // into its middle; a second more is left for a slow answer.
  if (!Number.isNaN(date) && (now() < date || now() > date + 3000)) {
    known = date + 1000;
    knownAt = performance.now();
  }
}

/** An instant in the concert's own time zone with its name, or in the device's if the concert has none. */
export function when(/** @type {string} */ iso, /** @type {string | undefined} */ timeZone,
  /** @type {'day' | 'short' | 'full'} */ style = 'short') {
  /** @type {any} */
  const format = style === 'day' ? { year: 'numeric', month: 'short', day: 'numeric' } : {
    weekday: style === 'full' ? 'long' : 'short', year: 'numeric', month: style === 'full' ? 'long' : 'short', day: 'numeric',
    hour: 'numeric', minute: '2-digit', timeZoneName: style === 'full' ? 'long' : 'short' };
  return new Intl.DateTimeFormat(locale, { ...format, timeZone }).format(new Date(iso));
}

export const clock = (/** @type {number} */ milliseconds) => {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000)), two = (/** @type {number} */ value) => `${value}`.padStart(2, '0');
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  const rest = `${hours || days ? `${two(hours)}:` : ''}${two(minutes)}:${two(seconds % 60)}`;
  return days ? t('clock.days', { count: days, rest }) : rest;
};

/** Calls back now and each second, until the page is left. */
export function everySecond(/** @type {AbortSignal} */ signal, /** @type {() => void} */ tick) {
  tick();
  const timer = setInterval(tick, 1000);
  signal.addEventListener('abort', () => clearInterval(timer));
}

// What this browser remembers.

export const stored = (/** @type {string} */ name, /** @type {Storage} */ area = localStorage) => {
  try { return JSON.parse(area.getItem(name) ?? 'null'); } catch { return null; }
};
export function store(/** @type {string} */ name, /** @type {any} */ value, /** @type {Storage} */ area = localStorage) {
  try {
    if (value === null) area.removeItem(name);
    else area.setItem(name, JSON.stringify(value));
  } catch {
    // The storage is full or forbidden.
  }
}

export const concertOf = (/** @type {number | string} */ id) => stored('concerts')?.[id];

/** Reads the concerts if this browser has not seen one of them yet. */
export async function learnConcerts(/** @type {(number | string | null | undefined)[]} */ ids, /** @type {AbortSignal} */ signal) {
  if (ids.every(id => !id || concertOf(id))) return;
  const known = stored('concerts') ?? {};
  for (let cursor = '', page = 0; cursor !== null && page < 20; page++) {
    const answer = await api('GET', `/api/concerts?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { signal });
    for (const concert of answer.items) known[concert.concertId] = concert;
    cursor = answer.nextCursor;
  }
  store('concerts', known);
}

/** The queue token of a concert's waiting room. */
export const tokenOf = (/** @type {number | string} */ concertId) => stored(`place:${concertId}`)?.place.token;

// The API.

/** A request that the server refused, or that got no answer (`OFFLINE`). */
export class Refusal extends Error {
  constructor(/** @type {string} */ code, status = 0, problem = /** @type {any} */ ({}), retryAfter = 0) {
    super(code);
    this.code = code;
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** Whether the server may have done what it was asked for: repeat the request with the same key. */
  get isOpen() { return this.code === 'OFFLINE' || this.status >= 500 || this.status === 408 || this.status === 429; }
}

/** Calls the API.
 * @param {{ body?: any, key?: string, token?: string, signal?: AbortSignal, renewed?: boolean }} options @returns {Promise<any>} */
export async function api(/** @type {string} */ method, /** @type {string} */ path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF'] = '1';
  if (options.key) headers['Idempotency-Key'] = options.key;
  if (options.token) headers['X-Queue-Token'] = options.token;
  const limit = AbortSignal.timeout(20000);
  let response, data;
  try {
    response = await fetch(path, { method, headers, cache: 'no-store',
      signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
      body: options.body === undefined ? undefined : JSON.stringify(options.body) });
    readClock(response);
    data = response.headers.get('Content-Type')?.includes('json') ? await response.json() : null;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refusal('OFFLINE');
  }
  if (response.ok) return data;
  if (data?.code === 'UNAUTHENTICATED' && path !== '/auth/session' && !options.renewed && await renew())
    return api(method, path, { ...options, renewed: true });
  throw new Refusal(data?.code ?? 'ERROR', response.status, data ?? {}, Number(response.headers.get('Retry-After')) || 0);
}

export function signIn() {
  if (current) current.page.guard = null;
  location.assign(`/auth/sign-in?returnUrl=${encodeURIComponent(location.pathname + location.search)}`);
}

// A way on for each refusal. Every code of the API is in one line, or can simply be repeated.
const ways = /** @type {Record<string, string>} */ ({
  signIn: 'UNAUTHENTICATED CSRF_REJECTED',
  line: 'QUEUE_TOKEN_MISSING QUEUE_TOKEN_INVALID QUEUE_TOKEN_NOT_YOURS QUEUE_TOKEN_EXPIRED QUEUE_TOKEN_NOT_ACTIVE '
    + 'QUEUE_TOKEN_WRONG_CONCERT',
  reservations: 'QUEUE_TOKEN_REVOKED RESERVATION_NOT_FOUND RESERVATION_IN_PROGRESS RESERVATION_NOT_PAYABLE '
    + 'RESERVATION_NOT_CANCELLABLE SEAT_LIMIT_REACHED CANCELLED_BY_OPERATOR IDEMPOTENCY_KEY_REUSED '
    + 'RESERVATION_NOT_RETRYABLE',
  concerts: 'SEAT_UNAVAILABLE SEAT_NOT_FOUND INVALID_SEATS CONCERT_NOT_FOUND SCHEDULE_NOT_FOUND SCHEDULE_CLOSED '
    + 'SCHEDULE_CANCELLED '
    + 'SALE_CLOSED NOT_FOUND GONE FORBIDDEN HOLD_EXPIRED HOLD_RELEASED '
    + 'SEATS_NOT_HELD PAYMENT_REJECTED PAYMENT_CANCELLED RESERVATION_FAILED STEP_TIMED_OUT DEDUCTION_REFUNDED',
  charge: 'INSUFFICIENT_POINTS PAYMENT_REQUIRED'
});
export const wayOf = (/** @type {string} */ code) => Object.keys(ways).find(way => ways[way].split(' ').includes(code)) ?? 'again';
export const sentenceOf = (/** @type {string} */ code) => messages[`refusal.${code}`] ?? messages['refusal.ERROR'];

/** A refusal in words, with a way on. @param {() => void} again repeats what was refused */
export function refusalPanel(/** @type {any} */ error, /** @type {() => void} */ again,
  /** @type {string | number | undefined} */ concertId = undefined) {
  const code = error instanceof Refusal ? error.code : 'ERROR';
  const to = { line: `/concerts/${concertId ?? ''}`, reservations: '/reservations', concerts: '/', charge: '/points' };
  const way = concertId === undefined && wayOf(code) === 'line' ? 'concerts' : wayOf(code);
  if (code === 'RESERVATION_IN_PROGRESS' && error.problem.reservationId) to.reservations += `/${error.problem.reservationId}`;
  if (!(error instanceof Refusal)) console.error(error);
  return h('div', { class: 'alert', role: 'alert', 'data-code': code }, h('p', {}, sentenceOf(code)),
    way === 'again' ? button(t('way.again'), 'primary', again) : way === 'signIn' ? button(t('way.signIn'), 'primary', signIn)
      : link(/** @type {any} */ (to)[way], 'button primary', t(`way.${way}`)));
}

// Pages.

/** @type {[RegExp, () => Promise<{ show: (page: Page) => any }>][]} */
const pages = [
  [/^\/$/, () => import('./concerts.js')],
  [/^\/concerts\/(\d+)$/, async () => ({ show: showWaitingRoom })],
  [/^\/concerts\/(\d+)\/schedules$/, () => import('./schedules.js')],
  [/^\/concerts\/(\d+)\/schedules\/(\d+)$/, () => import('./seats.js')],
  [/^\/reservations$/, () => import('./reservations.js')],
  [/^\/reservations\/([0-9a-f-]+)$/, () => import('./reservation.js')],
  [/^\/points$/, () => import('./points.js')]
];

/** @type {{ page: Page, stop: AbortController } | null} */
let current = null;

export async function go(/** @type {string} */ address, replace = false) {
  if (current?.page.guard && !await current.page.guard()) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  await show(true);
}

/** Shows the page of the address. */
async function show(moveFocus = false) {
  current?.stop.abort();
  const stop = new AbortController(), main = /** @type {HTMLElement} */ (document.getElementById('main'));
  const found = pages.map(([path, load]) => ({ load, match: path.exec(location.pathname) })).find(page => page.match);
  const page = /** @type {Page} */ ({ params: found?.match?.slice(1) ?? [], main, signal: stop.signal, guard: null, path: location.pathname,
    title: text => { document.title = `${text} · ConcertSaga`; } });
  current = { page, stop };
  drawTop();
  main.className = '';
  try {
    if (!found) throw new Refusal('NOT_FOUND', 404);
    await (await load(found.load)).show(page);
  } catch (error) {
    if (stop.signal.aborted) return;
    if (error instanceof Refusal && error.code === 'UNAUTHENTICATED') return signIn();
    page.title(t('site.failed'));
    main.replaceChildren(h('section', { class: 'narrow' }, h('h1', {}, t('site.failed')),
      refusalPanel(error, () => show(), page.params[0])));
  }
  if (stop.signal.aborted) return;
  if (moveFocus) { scrollTo(0, 0); main.focus({ preventScroll: true }); }
  if (!/^\/concerts\/\d+$/.test(location.pathname)) keepSession();
}

/** After an update of the site, the modules of the page that is open no longer exist. */
async function load(/** @type {() => Promise<any>} */ importPage) {
  try {
    const page = await importPage();
    store('reloaded', null, sessionStorage);
    return page;
  } catch (error) {
    if (stored('reloaded', sessionStorage) || !navigator.onLine) throw error instanceof Refusal ? error : new Refusal('OFFLINE');
    store('reloaded', true, sessionStorage);
    location.reload();
    return { show: () => new Promise(() => { }) };
  }
}

// The header and the session.

function drawTop() {
  const user = stored('user'), here = location.pathname;
  const item = (/** @type {string} */ to, /** @type {string} */ key) =>
    h('a', { href: to, 'aria-current': here === to || (to !== '/' && here.startsWith(to)) ? 'page' : null }, t(key));
  document.getElementById('top')?.replaceChildren(
    h('a', { class: 'brand', href: '/', 'aria-label': 'ConcertSaga' }, h('span', {}, 'Concert'), h('span', {}, 'Saga')),
    h('nav', { 'aria-label': t('nav.label') }, item('/', 'nav.concerts'), item('/reservations', 'nav.reservations'),
      item('/points', 'nav.points')),
    h('div', { class: 'account' },
      h('button', { type: 'button', class: 'plain', lang: language === 'ko' ? 'en' : 'ko', onclick: switchLanguage }, t('nav.language')),
      user ? h('button', { type: 'button', class: 'plain', title: user, onclick: signOut }, t('nav.signOut')) :
        h('button', { type: 'button', class: 'plain', onclick: signIn }, t('nav.signIn'))));
}

function switchLanguage() {
  if (current) current.page.guard = null;
  document.cookie = `concert-language=${language === 'ko' ? 'en' : 'ko'}; path=/; max-age=31536000; samesite=lax`;
  location.reload();
}

async function signOut() {
  // The page would find that the session has ended, and ask the customer to sign in again.
  current?.stop.abort();
  clearTimeout(renewal);
  if (current) current.page.guard = null;
  try {
    const { redirectTo } = await alone('session', () => api('POST', '/auth/sign-out'));
    forgetCustomer(null);
    location.assign(redirectTo);
  } catch (error) {
    await show();
    notify(sentenceOf(error instanceof Refusal ? error.code : 'ERROR'));
  }
}

/** Forgets what belongs to another customer than the one who is signed in. */
function forgetCustomer(/** @type {string | null} */ user) {
  if (stored('user')) {
    for (const name of Object.keys(localStorage)) if (name.startsWith('place:')) localStorage.removeItem(name);
    sessionStorage.clear();
  }
  store('user', user);
}

let renewal = 0;
/** Reads the session, and renews it in its second half. One tab at a time does so. */
async function keepSession() {
  clearTimeout(renewal);
  try {
    const session = await readSession();
    renewal = setTimeout(keepSession, Math.max(30000, (Date.parse(session.expiresAt) - now()) / 2));
  } catch (error) {
    if (error instanceof Refusal && error.isOpen) renewal = setTimeout(keepSession, 30000);
  }
}

async function readSession() {
  const read = () => api('GET', '/auth/session');
  try {
    const session = await alone('session', read);
    if (stored('user') !== session.userId) { forgetCustomer(session.userId); drawTop(); }
    return session;
  } catch (error) {
    if (error instanceof Refusal && error.status === 401 && stored('user')) { forgetCustomer(null); drawTop(); }
    throw error;
  }
}

/** Lets one tab after the other do something. @template T @param {() => Promise<T>} act @returns {Promise<T>} */
function alone(/** @type {string} */ name, act, /** @type {AbortSignal | undefined} */ signal = undefined) {
  return navigator.locks ? navigator.locks.request(name, { signal }, act) : act();
}

/** Renews an expired session; false if the customer must sign in. */
const renew = () => readSession().then(() => true, () => false);

// The waiting room.

const ended = ['QUEUE_TOKEN_EXPIRED', 'QUEUE_TOKEN_REVOKED'];
const foreign = ['QUEUE_TOKEN_INVALID', 'QUEUE_TOKEN_NOT_YOURS', 'QUEUE_TOKEN_WRONG_CONCERT'];

/** Reads the customer's place, and enters if there is none. It belongs to the account: other tabs and devices show the same one. */
async function readPlace(/** @type {string} */ id, /** @type {boolean} */ isFirst, /** @type {number} */ seenAt,
  /** @type {AbortSignal} */ signal) {
  const name = `place:${id}`, saved = stored(name);
  // Another tab has polled in the meantime.
  if (!isFirst && saved && saved.at > seenAt && Date.now() - saved.at < saved.place.pollAfterSeconds * 1000) return saved;
  /** @type {Place | undefined} */
  let place;
  try {
    if (saved) place = await api('GET', '/api/queue/tokens/current', { token: saved.place.token, signal });
  } catch (error) {
    // A place of an earlier visit may have ended. One that ends while the customer looks on is news.
    if (!(error instanceof Refusal) || !(foreign.includes(error.code) || (isFirst && ended.includes(error.code)))) throw error;
  }
  place ??= /** @type {Place} */ (await api('POST', '/api/queue/tokens', { body: { concertId: Number(id) }, signal }));
  const entry = { place, at: Date.now(), first: Math.max(place.position, saved?.place.tokenId === place.tokenId ? saved.first : 0) };
  store(name, entry);
  return entry;
}

async function showWaitingRoom(/** @type {Page} */ page) {
  const [id] = page.params, concert = concertOf(id), title = concert?.title ?? t('room.title'), view = drawRoom(page, id, title, concert);
  page.title(title);
  page.main.replaceChildren(view.root);
  let isFirst = true, seenAt = 0, failures = 0, due = 0, wake = () => { };
  // Timers of a sleeping device or a hidden tab are late.
  const look = () => { if (document.visibilityState === 'visible' && (failures || Date.now() >= due)) wake(); };
  for (const [target, event] of /** @type {const} */ ([[window, 'online'], [window, 'focus'], [document, 'visibilitychange']]))
    target.addEventListener(event, look, { signal: page.signal });
  page.signal.addEventListener('abort', () => wake());
  while (!page.signal.aborted && !await view.left) {
    let pause = 0;
    try {
      // Tabs show the same place, so their polls are due at the same moment.
      const { place, at, first } = await alone(`place:${id}`, () => readPlace(id, isFirst, seenAt, page.signal), page.signal);
      // A poll after leaving would enter again.
      if (await view.left) return;
      if (isFirst) keepSession();
      [isFirst, seenAt, failures] = [false, at, 0];
      view.show(place, first);
      pause = Math.max(500, place.pollAfterSeconds * 1000 - (Date.now() - at));
    } catch (error) {
      if (page.signal.aborted || await view.left) return;
      if (!(error instanceof Refusal) || (!error.isOpen && (isFirst || !ended.includes(error.code)))) throw error;
      if (!error.isOpen) return view.end(error);
      view.trouble(error);
      pause = Math.max(error.retryAfter * 1000, Math.min(30000, 1000 * 2 ** failures++));
    }
    due = Date.now() + pause;
    await new Promise(resolve => { const timer = setTimeout(resolve, pause); wake = () => { clearTimeout(timer); resolve(null); }; });
  }
}

/** The page of the waiting room, and what changes in it. */
function drawRoom(/** @type {Page} */ page, /** @type {string} */ id, /** @type {string} */ title, /** @type {any} */ concert) {
  const [place, ahead, wait, state, next, updated, spoken] = ['strong', 'p', 'p', 'p', 'p', 'p', 'p'].map((tag, index) =>
    h(tag, { class: ['place-number', 'place-ahead', 'place-wait', 'alert', 'place-next', 'hint', 'hidden'][index],
      role: index === 6 ? 'status' : null, hidden: index === 3 }));
  const bar = h('progress', { max: 100, value: 0, 'aria-label': t('room.progress') });
  const card = h('div', { class: 'card room' }, h('div', { class: 'beat', 'aria-hidden': 'true' }, [1, 2, 3, 4, 5, 6, 7].map(() => h('i'))),
    h('p', { class: 'place' }, h('span', {}, t('room.place')), place), ahead, bar, wait, state, next);
  let sound = /** @type {AudioContext | null} */ (null), since = 0, spokenAt = 0, wasActive = false;
  const tools = h('div', { class: 'actions' },
    button(t('room.sound'), 'quiet', event => {
      sound = sound ? (sound.close(), null) : new AudioContext();
      if (sound) ring(sound, 0.05);
      event.target.setAttribute('aria-pressed', `${sound !== null}`);
    }, { 'aria-pressed': 'false' }),
    button(t('room.leave'), 'quiet', leave));
  const root = h('section', { class: 'narrow' }, h('p', { class: 'eyebrow' }, t('room.eyebrow')), h('h1', {}, title), card, updated, tools,
    spoken);

  async function leave() {
    if (!await ask(t('room.leaveTitle'), t('room.leaveText'), t('room.leaveYes'), t('room.stay'))) return;
    // Without an answer, the place may still be taken. Leaving twice is harmless.
    view.left = api('DELETE', '/api/queue/tokens/current', { token: tokenOf(id) }).then(() => true, error => {
      if (!(error instanceof Refusal && error.isOpen)) return true;
      view.trouble(error);
      return false;
    });
    if (!await view.left) return;
    page.guard = null;
    store(`place:${id}`, null);
    go('/');
  }

  function say(/** @type {string} */ text, isUrgent = false) {
    // A screen reader that reads out each poll is of little help.
    if (!isUrgent && now() - spokenAt < 30000) return;
    spokenAt = now();
    spoken.textContent = text;
  }

  const opens = () => concert && Date.parse(concert.saleOpensAt) - now() > 0
    ? t('room.opensIn', { time: clock(Date.parse(concert.saleOpensAt) - now()) })
    : t('room.opensSoon');
  let admission = 'Open';
  const tick = () => {
    if (since) updated.textContent = t('room.updated', { count: Math.max(0, Math.round((now() - since) / 1000)) });
    if (admission === 'NotOpenYet') state.textContent = opens();
  };
  everySecond(page.signal, tick);

  const view = {
    root,
    left: Promise.resolve(false),
    show(/** @type {Place} */ mine, /** @type {number} */ first) {
      since = now();
      admission = mine.admission;
      tick();
      if (mine.status === 'Active') return this.admit(mine);
      page.guard = () => ask(t('room.awayTitle'), t('room.awayText'), t('room.awayYes'), t('room.stay'));
      document.title = `(${number(mine.position)}) ${title}`;
      place.textContent = number(mine.position);
      ahead.textContent = mine.peopleAhead ? t('room.ahead', { count: mine.peopleAhead }) : t('room.first');
      bar.value = first > 1 ? Math.round(100 * (1 - (mine.position - 1) / first)) : 50;
      const estimate = mine.estimatedWaitSeconds;
      wait.textContent = estimate ? t('room.wait', { range: span(estimate.low, estimate.high) }) : '';
      state.textContent = mine.admission === 'NotOpenYet' ? opens() : mine.admission !== 'Open' ? t(`room.${mine.admission}`)
        : mine.soldOut ? t('room.soldOut') : '';
      state.hidden = !state.textContent;
      next.textContent = t('room.next');
      say(`${t('room.place')} ${number(mine.position)}. ${wait.textContent} ${state.textContent}`);
    },
    admit(/** @type {Place} */ mine) {
      page.guard = null;
      document.title = `● ${t('room.turn')} · ${title}`;
      if (wasActive) return;
      wasActive = true;
      if (sound) ring(sound, 0.4);
      const left = h('p', { class: 'place-wait' }), start = link(`/concerts/${id}/schedules`, 'button primary wide', t('room.start'));
      everySecond(page.signal, () => { left.textContent = t('room.turnUntil', { time: clock(Date.parse(mine.expiresAt) - now()) }); });
      card.classList.add('is-turn');
      tools.firstElementChild?.remove();
      card.replaceChildren(h('p', { class: 'place-turn' }, t('room.turn')), left, start);
      say(t('room.turn'), true);
      start.focus();
    },
    trouble(/** @type {Refusal} */ error) {
      state.hidden = false;
      state.textContent = sentenceOf(error.code === 'OFFLINE' ? 'OFFLINE' : error.code) + ' ' + t('room.kept');
      say(state.textContent, true);
    },
    end(/** @type {Refusal} */ error) {
      page.guard = null;
      page.title(title);
      store(`place:${id}`, null);
      card.replaceChildren(h('p', {}, sentenceOf(error.code)), button(t('room.again'), 'primary wide', () => go(`/concerts/${id}`, true)),
        link('/reservations', 'button quiet wide', t('way.reservations')));
      tools.remove();
      say(sentenceOf(error.code), true);
    }
  };
  return view;
}

/** Two short notes. */
function ring(/** @type {AudioContext} */ sound, /** @type {number} */ volume) {
  for (const [index, pitch] of [659.25, 880].entries()) {
    const tone = new OscillatorNode(sound, { frequency: pitch, type: 'triangle' }), gain = new GainNode(sound, { gain: 0 });
    const start = sound.currentTime + index * 0.22;
    gain.gain.setValueAtTime(volume, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + 0.5);
    tone.connect(gain).connect(sound.destination);
    tone.start(start);
    tone.stop(start + 0.5);
  }
}

/** A wait as a range in words. */
function span(/** @type {number} */ low, /** @type {number} */ high) {
  if (high < 60) return t('span.seconds', { low, high: Math.max(low, high) });
  const minutes = (/** @type {number} */ seconds) => Math.max(1, Math.round(seconds / 60));
  return minutes(low) === minutes(high) ? t('span.minute', { count: minutes(high) })
    : t('span.minutes', { low: minutes(low), high: minutes(high) });
}

// Start.

addEventListener('beforeunload', event => { if (current?.page.guard) event.preventDefault(); });
// A link within the page changes only the part after the hash.
addEventListener('popstate', () => { if (location.pathname !== current?.page.path) show(true); });
addEventListener('click', event => {
  const anchor = event.target instanceof Element ? event.target.closest('a[href^="/"]') : null;
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  const address = /** @type {string} */ (anchor.getAttribute('href'));
  if (!pages.some(([path]) => path.test(address.split('?')[0]))) return;
  event.preventDefault();
  go(address);
});
show();
