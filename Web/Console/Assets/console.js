// @ts-check
// Live refresh, times, selection, keys and the session. Every page works without this script.

const refreshEvery = 4000;
const root = document.documentElement;
/** @param {string} selector @param {ParentNode} [within] */
const all = (selector, within = document) => /** @type {HTMLElement[]} */ ([...within.querySelectorAll(selector)]);
/** @param {string} id */
const byId = id => document.getElementById(id);

// ---- Times: the server writes UTC; the operator may prefer another form.

const units = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]);
const relative = new Intl.RelativeTimeFormat(root.lang, { numeric: 'auto', style: 'short' });
const two = (/** @type {number} */ n) => String(n).padStart(2, '0');

/** @param {Date} at */
function localText(at) {
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${date} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}

/** @param {Date} at */
function relativeText(at) {
  const seconds = (at.getTime() - Date.now()) / 1000;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[3];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** @param {ParentNode} within */
function showTimes(within) {
  for (const time of all('time[datetime]', within)) {
    const at = new Date(time.getAttribute('datetime') ?? '');
    time.title = `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
    if (root.dataset.times === 'local') time.textContent = localText(at);
    if (root.dataset.times === 'relative') time.textContent = relativeText(at);
  }
}

// ---- Live refresh: rows never move under the pointer, nor while rows are selected.

let isLive = localStorage.getItem('console-live') !== 'off';
/** @type {Document | null} */
let waiting = null;

const ticks = () => /** @type {HTMLInputElement[]} */ (all('#rows input[name=ids]'));
const isHeld = () => ticks().some(tick => tick.checked) || byId('rows')?.matches(':hover, :focus-within') === true;

/** @param {Element} old @param {Element} next */
function replace(old, next) {
  showTimes(next);
  for (const { id } of all('details[id][open]', old)) next.querySelector(`#${CSS.escape(id)}`)?.setAttribute('open', '');
  // A part with the focus waits, so that the keyboard keeps its place.
  if (old.innerHTML !== next.innerHTML && !old.contains(document.activeElement)) old.replaceChildren(...next.childNodes);
}

/** @param {Document} page */
function takeRows(page) {
  const [old, next] = [document.querySelector('#rows tbody'), page.querySelector('#rows tbody')];
  if (!old || !next) return;
  showTimes(next);
  const keysOf = (/** @type {Element} */ body) => all('tr', body).map(row => row.dataset.key).join();
  if (isHeld() && keysOf(old) !== keysOf(next)) {
    // The rows that stay show their changes in place; the others wait for the operator.
    waiting = page;
    byId('changed')?.removeAttribute('hidden');
  } else {
    waiting = null;
    byId('changed')?.setAttribute('hidden', '');
  }
  for (const row of all('tr', old)) {
    const fresh = next.querySelector(`tr[data-key="${row.dataset.key}"]`);
    if (!fresh) continue;
    row.className = fresh.className;
    [...row.cells].forEach((cell, i) => {
      const now = fresh.children[i];
      if (i > 0 && now && cell.innerHTML !== now.innerHTML) cell.innerHTML = now.innerHTML;
    });
  }
  if (!waiting && keysOf(old) !== keysOf(next)) old.replaceChildren(...next.childNodes);
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, redirect: 'error' });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const old of all('[data-live][id]')) {
      const next = page.getElementById(old.id);
      if (next) replace(old, next);
    }
    takeRows(page);
    document.title = page.title;
  } catch {
    // The next round tries it once more.
  }
}

async function live() {
  for (;;) {
    await new Promise(done => setTimeout(done, refreshEvery));
    if (isLive && !document.hidden && document.querySelector('[data-live], [data-live-rows]')) await refresh();
    if (root.dataset.times === 'relative') showTimes(document);
  }
}

function setUpLive() {
  const button = byId('refresh-switch');
  if (!button || !document.querySelector('[data-live], [data-live-rows]')) return;
  button.hidden = false;
  const show = () => button.setAttribute('aria-pressed', String(isLive));
  button.addEventListener('click', () => {
    isLive = !isLive;
    localStorage.setItem('console-live', isLive ? 'on' : 'off');
    show();
  });
  byId('show-changes')?.addEventListener('click', () => {
    const page = waiting;
    for (const tick of ticks()) tick.checked = false;
    showSelected();
    const [old, next] = [document.querySelector('#rows tbody'), page?.querySelector('#rows tbody')];
    if (old && next) old.replaceChildren(...next.childNodes);
    waiting = null;
    byId('changed')?.setAttribute('hidden', '');
  });
  show();
}

// ---- Selection.

function showSelected() {
  const [count, out] = [ticks().filter(tick => tick.checked).length, byId('selected')];
  if (out) out.textContent = count ? (out.dataset.text ?? '').replace('{0}', String(count)) : '';
  for (const row of all('#rows tr[data-key]')) row.toggleAttribute('data-selected', row.querySelector('input:checked') !== null);
}

function setUpSelection() {
  const box = /** @type {HTMLInputElement | null} */ (byId('all'));
  if (box) {
    box.hidden = false;
    box.addEventListener('change', () => {
      for (const tick of ticks()) tick.checked = box.checked;
      showSelected();
    });
  }
  byId('rows')?.addEventListener('change', showSelected);
  showSelected();
}

// ---- Filters: an address without empty fields is easier to read and to send.

function setUpFilters() {
  for (const form of all('form.filter')) {
    form.addEventListener('formdata', event => {
      const data = event.formData;
      const keepsColumns = form.querySelector('details[open]') !== null || location.search.includes('columns=');
      for (const [name, value] of [...data]) {
        if (value === '' || (name === 'columns' && !keepsColumns)) data.delete(name);
      }
    });
  }
}

// ---- Keys.

let isGoing = false;

/** @param {number} step */
function moveRow(step) {
  const links = all('table.list tbody tr').map(row => row.querySelector('a')).filter(link => link !== null);
  const row = document.activeElement?.closest('tr');
  const at = links.findIndex(link => link.closest('tr') === row);
  links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const isField = event.target instanceof Element && event.target.matches('input:not([type=checkbox]), select, textarea');
  if (event.ctrlKey || event.metaKey || event.altKey || isField) {
    if (event.key === 'Escape' && event.target instanceof HTMLElement) event.target.blur();
    return;
  }
  if (isGoing) {
    isGoing = false;
    /** @type {HTMLAnchorElement | null} */ (document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`))?.click();
    return;
  }
  const help = /** @type {HTMLDialogElement | null} */ (byId('help'));
  const actions = /** @type {Record<string, () => void>} */ ({
    g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); },
    j: () => moveRow(1),
    k: () => moveRow(-1),
    x: () => document.activeElement?.closest('tr')?.querySelector('input')?.click(),
    '/': () => all('.filter input, .filter select')[0]?.focus(),
    '.': () => byId('refresh-switch')?.click(),
    '?': () => { if (help && !help.open) help.showModal(); }
  });
  const act = actions[event.key];
  if (!act || help?.open) return;
  event.preventDefault();
  act();
}

function setUpKeys() {
  document.addEventListener('keydown', onKey);
  const [button, help] = [byId('help-button'), /** @type {HTMLDialogElement | null} */ (byId('help'))];
  if (!button || !help) return;
  button.hidden = false;
  button.addEventListener('click', () => help.showModal());
}

// ---- The session: one tab renews it in its second half; a sign-out ends it.

async function keepSession() {
  for (;;) {
    const answer = await navigator.locks.request('concert-session', () => fetch('/auth/session')).catch(() => null);
    if (answer?.status === 401) return;
    const ends = answer?.ok ? new Date((await answer.json()).expiresAt).getTime() - Date.now() : 60000;
    await new Promise(done => setTimeout(done, Math.max(10000, Math.min(ends / 2 + 1000, 2 ** 31 - 1))));
  }
}

function setUpSignOut() {
  const button = byId('sign-out');
  if (!button) return;
  button.hidden = false;
  button.addEventListener('click', async () => {
    const answer = await fetch('/auth/sign-out', { method: 'POST', headers: { 'X-CSRF': '1' } });
    if (answer.ok) location.assign((await answer.json()).redirectTo);
  });
}

showTimes(document);
setUpLive();
setUpSelection();
setUpFilters();
setUpKeys();
setUpSignOut();
live();
keepSession();
