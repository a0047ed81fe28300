// Posts checks to parallax, from a service that has answered its client already.
//
// `offer` puts an exchange into a bounded queue and returns; where the queue is full, the exchange is
// dropped and counted. One loop posts what waits, as many at once as there are. Whatever parallax
// does, the service pays with the memory of the queue and nothing else. Node's own modules only.

import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { setImmediate as breath, setTimeout as pauseOf } from 'node:timers/promises';

const BATCH_CHECKS = 100;
const BATCH_BYTES = 512 * 1024; // and one exchange more; parallax takes 1,000 checks and 16 MiB
const LONGEST_ANSWER = 1024 * 1024;
const TRY_AGAIN = new Set([408, 429, 500, 502, 503, 504]);

export class Poster {
  // What became of the exchanges: on disk at parallax; no room, or closed; not accepted, see
  // `lastError`; too large, or not seen whole.
  posted = 0;
  dropped = 0;
  failed = 0;
  leftOut = 0;
  lastError;
  #waiting = [];
  #bytes = 0;
  #running;
  #request;
  #closing = new AbortController(); // no more pauses
  #isClosed = false; // no more at all

  // `url` is the control listener's: http://127.0.0.1:9900. Times are milliseconds.
  constructor(url, options) {
    this.url = new URL('/consistency-checks', url);
    Object.assign(this, {
      paths: [], methods: ['GET', 'HEAD'], bodyLimit: 256 * 1024, queueChecks: 1000, queueBytes: 32 << 20,
      timeout: 5_000, attempts: 4, pause: 1_000, longestPause: 30_000,
    }, options);
  }

  // Whether this request is to be checked: `/returns` means itself and what is below it. What parallax
  // itself has sent is marked, and is not checked again: otherwise checks would beget checks.
  wants(method, path, headers) {
    const below = (prefix) => path === prefix || path.startsWith(prefix.replace(/\/$/, '') + '/');
    return this.methods.includes(method) && this.paths.some(below)
      && !Object.keys(headers).some((name) => name.startsWith('parallax-'));
  }

  // Takes an exchange of `bytes` bytes, if there is room.
  offer(bytes, exchange) {
    if (this.#closing.signal.aborted || this.#waiting.length >= this.queueChecks || this.#bytes + bytes > this.queueBytes) {
      this.dropped += 1;
      return;
    }
    this.#waiting.push({ bytes, exchange });
    this.#bytes += bytes;
    this.#running ??= this.#run();
  }

  // Posts what waits, for `wait` milliseconds at most; what is left then is dropped.
  async close(wait = 5_000) {
    this.#closing.abort();
    const late = setTimeout(() => {
      this.#isClosed = true;
      this.#request?.destroy(new Error('closed'));
    }, wait);
    await this.#running;
    clearTimeout(late);
  }

  async #run() {
    await breath(); // first the client, whose answer may still be on its way to the socket
    while (this.#waiting.length > 0 && !this.#isClosed) {
      const batch = this.#take();
      const { posted, error } = await this.#post(batch).catch((unexpected) => ({ posted: 0, error: String(unexpected) }));
      this.posted += posted;
      this.failed += batch.length - posted;
      this.lastError = error ?? this.lastError;
    }
    this.dropped += this.#waiting.splice(0).length;
    this.#running = undefined;
  }

  #take() {
    let [count, size] = [0, 0];
    while (count < Math.min(this.#waiting.length, BATCH_CHECKS) && size < BATCH_BYTES) size += this.#waiting[count++].bytes;
    this.#bytes -= size;
    return this.#waiting.splice(0, count);
  }

  // How many were accepted, and why the others were not.
  async #post(batch) {
    // The ids are made once: with them it is safe to post again what may have arrived.
    let body = '';
    for (const { exchange } of batch) {
      body += JSON.stringify(check(exchange)) + '\n';
      await breath(); // many large bodies take a while, and others use this thread
    }
    let error;
    for (let attempt = 1; attempt <= this.attempts; attempt += 1) {
      let pause = this.pause;
      try {
        const { status, retryAfter, answer } = await this.#send(body);
        if (status === 207) {
          const refused = JSON.parse(answer).filter((result) => result.status !== 202);
          return { posted: batch.length - refused.length, error: refused[0]?.detail };
        }
        error = `${status}: ${answer}`;
        if (!TRY_AGAIN.has(status)) break;
        if (/^\d{1,9}$/.test(retryAfter ?? '')) pause = Number(retryAfter) * 1000;
      } catch (unreachable) {
        error = `${unreachable.code ?? unreachable.name}: ${unreachable.message}`;
      }
      if (attempt === this.attempts || this.#closing.signal.aborted) break;
      // A process that has nothing else to do need not wait for the pause to end.
      const waited = pauseOf(Math.min(pause, this.longestPause), true, { signal: this.#closing.signal, ref: false });
      if (!await waited.catch(() => false)) break; // closing: no time to wait
    }
    return { posted: 0, error };
  }

  #send(body) {
    const headers = { 'Content-Type': 'application/x-ndjson', 'Content-Length': Buffer.byteLength(body) };
    const token = process.env.PARALLAX_TOKEN; // with the role `intake`; not needed on loopback
    if (token) headers.Authorization = `Bearer ${token}`;
    const signal = AbortSignal.timeout(this.timeout);
    return new Promise((resolve, reject) => {
      const client = this.url.protocol === 'https:' ? https : http;
      const request = this.#request = client.request(this.url, { method: 'POST', headers, signal }, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => { if (answer.length < LONGEST_ANSWER) answer += piece; });
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'], answer });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

// An exchange as parallax reads it.
function check({ method, path, requestHeaders, requestBody, status, headers, body }) {
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  return {
    id: randomUUID(),
    request: { method, url: { path }, ...message(requestHeaders, requestBody) },
    response: { status, ...message(headers, bodiless ? Buffer.alloc(0) : body) },
  };
}

function message(headers, body) {
  if (body.length === 0) return { headers, body: null };
  const charset = /charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1];
  // A text is the body as it is only where it is not compressed, and is UTF-8 and says nothing else.
  if (headers['content-encoding'] === undefined && /^utf-?8$/i.test(charset ?? 'utf-8')) {
    try {
      return { headers, body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) };
    } catch { /* bytes, then */ }
  }
  return { headers, body: body.toString('base64'), body_encoding: 'base64' };
}
