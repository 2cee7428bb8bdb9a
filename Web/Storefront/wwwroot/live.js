// @ts-check
// A stream of events. Unlike EventSource, fetch sends the queue token as a header, continues after a known event and shows refusals.
import { now } from './app.js';

/** Follows a stream until the signal aborts, and reconnects. @param {{ token: string, after: () => number, signal: AbortSignal,
 *   on: (event: string, data: any) => void, refused: (status: number, code: string) => boolean }} options `refused` says whether to go on */
export async function follow(/** @type {string} */ path, options) {
  let failures = 0;
  while (!options.signal.aborted) {
    try {
      const response = await fetch(path, { signal: options.signal, cache: 'no-store',
        headers: { Accept: 'text/event-stream', 'X-Queue-Token': options.token, 'Last-Event-ID': `${options.after()}` } });
      if (!response.ok) {
        const problem = await response.json().catch(() => ({}));
        if (!options.refused(response.status, problem.code ?? 'ERROR')) return;
      }
      if (response.ok && response.body) {
        const started = now();
        await read(response.body, options.on);
        if (now() - started > 5000) failures = 0;
      }
    } catch {
      // A lost connection: the next one continues after the last event.
    }
    await new Promise(resolve => setTimeout(resolve, Math.min(15000, 500 * 2 ** failures++)));
  }
}

async function read(/** @type {ReadableStream<Uint8Array>} */ body, /** @type {(event: string, data: any) => void} */ on) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    rest += part.value;
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (/** @type {string} */ name) => block.split('\n').find(line => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const event = field('event'), data = field('data');
      if (event && data) on(event, JSON.parse(data));
    }
  }
}
