// What the middleware promises, with Express and a parallax that does what it should, or does not.
//
//   node --test
//   PARALLAX_CONTROL=http://127.0.0.1:9900 node --test      with a real parallax as well

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import express from 'express';

import { postedChecks } from './express.js';
import { Poster } from './poster.js';

const DEADLINE = 20_000;
const LARGE = Buffer.alloc(3000, 'x');

// The application; `go` lets the slow answer end.
function application(poster, go) {
  const app = express();
  if (poster) app.use(postedChecks(poster));
  app.get('/returns/1', (_, response) => response.append('Set-Cookie', ['a=1', 'b=2']).json({ name: 'Jörg', id: 1 }));
  app.get('/returns/raw', (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'X-Own': 'yes' });
    response.write('b25l', 'base64');
    response.end(' two');
  });
  app.get('/returns/none', (_, response) => response.status(404).end());
  app.get('/returns/bytes', (_, response) => response.send(Buffer.from([0xff, 0, 0xfe])));
  app.get('/returns/latin', (_, response) => response.set('Content-Type', 'text/plain; charset=ISO-8859-1').end('plain'));
  app.get('/returns/coded', (_, response) => response.set('Content-Encoding', 'own').type('text').send('looks like text'));
  app.get('/returns/large', (_, response) => { response.write(LARGE); response.end(LARGE); });
  app.get('/returns/slow', async (_, response) => { response.write('first'); await go; response.end('second'); });
  app.get('/returnsall', (_, response) => response.send('another'));
  app.post('/search', express.text({ type: () => true, limit: '1mb' }), (request, response) => {
    response.type('text').send(`asked: ${request.body}`);
  });
  app.get('/express/bytes', (_, response) => {
    response.append('Set-Cookie', ['a=1', 'b=2']).send(Buffer.from([0xff, 0, 0xfe]));
  });
  app.get('/express/:id', (request, response) => response.json({ id: request.params.id }));
  return app;
}
const PAGES = ['1', 'raw', 'none', 'bytes', 'latin', 'coded', 'large', 'slow'].map((name) => `/returns/${name}`);

const listening = (server) => new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server.address().port)); });

// The application on a port of its own, and its poster.
async function start(t, url, { go, isWatched = true, ...options } = {}) {
  const methods = ['GET', 'HEAD', 'POST'];
  const poster = new Poster(url, { paths: ['/returns', '/search'], methods, pause: 10, ...options });
  const server = http.createServer(application(isWatched && poster, go));
  const port = await listening(server);
  t.after(async () => {
    server.close();
    await poster.close(0);
  });
  return { port, poster };
}

// `answers` is what it does, one for each request; the last one for ever after.
async function fakeParallax(t, ...answers) {
  const fake = { requests: [], hanging: [] };
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    fake.requests.push({ path: request.url, headers: request.headers, body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === 'hang') {
      fake.hanging.push(request.socket);
      return;
    }
    const [status, headers] = answer === 'accept' ? [207, {}] : answer;
    response.writeHead(status, headers);
    response.end(JSON.stringify(status === 207 ? lines(body).map(({ id }) => ({ status: 202, id })) : { detail: 'no' }));
  });
  fake.url = `http://127.0.0.1:${await listening(server)}`;
  fake.checks = () => fake.requests.flatMap(({ body }) => lines(body));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return fake;
}

const lines = (body) => body.trim().split('\n').map((line) => JSON.parse(line));

// The whole answer as bytes, less its date.
async function ask(port, request) {
  const socket = net.connect({ host: '127.0.0.1', port, timeout: DEADLINE });
  socket.on('timeout', () => socket.destroy(new Error('no answer in time')));
  socket.write(request);
  return Buffer.concat(await socket.toArray()).toString('latin1').replace(/^Date:.*\r\n/im, '');
}

const get = (path, method = 'GET', more = '') =>
  `${method} ${path} HTTP/1.1\r\nHost: here\r\nAccept: */*\r\nConnection: close\r\n${more}\r\n`;
const post = (path, body) =>
  Buffer.concat([Buffer.from(get(path, 'POST', `Content-Length: ${Buffer.byteLength(body)}\r\n`)), Buffer.from(body)]);

async function until(isTrue, what) {
  for (const began = Date.now(); !isTrue(); await sleep(5)) assert.ok(Date.now() - began < DEADLINE, what);
}

const counts = ({ posted, dropped, failed, leftOut }) => ({ posted, dropped, failed, leftOut });

test('answers are the same byte by byte, whatever parallax does', async (t) => {
  const refusing = net.createServer();
  const nobody = `http://127.0.0.1:${await listening(refusing)}`;
  refusing.close();
  const requests = [...PAGES.map((path) => get(path)), get('/returns/1', 'HEAD'), post('/search?q=%2F', 'words')];
  const plain = await start(t, nobody, { isWatched: false });
  const expected = [];
  for (const request of requests) expected.push(await ask(plain.port, request));
  const [hanging, full] = [await fakeParallax(t, 'hang'), await fakeParallax(t, [503, { 'Retry-After': '3600' }])];
  for (const url of [hanging.url, full.url, nobody, (await fakeParallax(t, 'accept')).url]) {
    const { port } = await start(t, url, { timeout: DEADLINE * 10 });
    const began = Date.now();
    for (const [at, request] of requests.entries()) assert.equal(await ask(port, request), expected[at]);
    assert.ok(Date.now() - began < DEADLINE, 'the answers waited for parallax');
  }
});

test("the payload is the contract's", async (t) => {
  const { PARALLAX_TOKEN: before } = process.env;
  process.env.PARALLAX_TOKEN = 'a-secret';
  t.after(() => {
    if (before === undefined) delete process.env.PARALLAX_TOKEN;
    else process.env.PARALLAX_TOKEN = before;
  });
  const fake = await fakeParallax(t, 'accept');
  const { port, poster } = await start(t, fake.url);
  const asked = [
    get('/returns/1?a=%2F&b'), get('/returns/bytes'), get('/returns/latin'), get('/returns/coded'),
    get('/returns/1', 'HEAD'), get('/returns/none'), get('/returns/raw'), post('/search', 'wörter'),
    post('/search', Buffer.from([0xff])),
  ];
  for (const [at, request] of asked.entries()) {
    await ask(port, request);
    await until(() => poster.posted === at + 1, 'it is posted');
  }
  const { path, headers } = fake.requests[0];
  assert.deepEqual([path, headers['content-type'], headers.authorization],
    ['/consistency-checks', 'application/x-ndjson', 'Bearer a-secret']);
  const [{ id, ...one }, ...others] = fake.checks();
  assert.match(id, /^[0-9a-f-]{36}$/);
  delete one.response.headers.etag;
  assert.deepEqual(one, {
    request: {
      method: 'GET', url: { path: '/returns/1?a=%2F&b' }, body: null,
      headers: { host: 'here', accept: '*/*', connection: 'close' },
    },
    response: {
      status: 200, body: '{"name":"Jörg","id":1}',
      headers: {
        'x-powered-by': 'Express', 'set-cookie': ['a=1', 'b=2'], 'content-type': 'application/json; charset=utf-8',
        'content-length': '23',
      },
    },
  });
  const coded = (bytes) => [Buffer.from(bytes).toString('base64'), 'base64'];
  assert.deepEqual(others.map(({ response: { body, body_encoding: encoding } }) => [body, encoding]), [
    coded([0xff, 0, 0xfe]), coded('plain'), coded('looks like text'), [null, undefined], [null, undefined],
    ['one two', undefined], ['asked: wörter', undefined], ['asked: \ufffd', undefined],
  ]);
  assert.equal(others[4].response.status, 404);
  assert.deepEqual(others[5].response.headers,
    { 'content-type': 'text/plain', 'x-own': 'yes', 'x-powered-by': 'Express' });
  assert.deepEqual(others.slice(-2).map(({ request: { body, body_encoding: encoding } }) => [body, encoding]),
    [['wörter', undefined], coded([0xff])]);
});

test('only what is asked for is posted, and only whole', async (t) => {
  const fake = await fakeParallax(t, 'accept');
  const { port, poster } = await start(t, fake.url, { bodyLimit: 4000, methods: ['GET', 'POST'] });
  // None of these is wanted.
  for (const request of [get('/returnsall'), get('/returns/1', 'HEAD'), get('/returns/1', 'GET', 'Parallax-Recheck: 1\r\n')]) {
    await ask(port, request);
  }
  await ask(port, get('/returns/large'));
  await ask(port, post('/search', Buffer.alloc(4001, 'x')));
  await until(() => poster.leftOut === 2, 'two are left out');
  await ask(port, get('/returns/bytes'));
  await until(() => poster.posted === 1, 'one is posted');
  assert.deepEqual(fake.checks().map(({ request }) => request.url.path), ['/returns/bytes']);
  assert.deepEqual(counts(poster), { posted: 1, dropped: 0, failed: 0, leftOut: 2 });
});

test('headers that are given to writeHead alone are among the answer\'s', async (t) => {
  const fake = await fakeParallax(t, 'accept');
  const poster = new Poster(fake.url, { paths: ['/returns'] });
  const given = { '/returns/object': { 'X-Two': ['a', 'b'], 'X-One': 1 }, '/returns/list': ['X-Two', 'a', 'X-Two', 'b', 'X-One', '1'] };
  const server = http.createServer((request, response) => {
    request.originalUrl = request.url; // as Express has it, which sets a header of its own before
    postedChecks(poster)(request, response, () => response.writeHead(200, given[request.url]).end());
  });
  t.after(() => server.close());
  const port = await listening(server);
  for (const path of Object.keys(given)) await ask(port, get(path));
  await until(() => poster.posted === 2, 'both are posted');
  const expected = { 'x-two': ['a', 'b'], 'x-one': '1' };
  assert.deepEqual(fake.checks().map(({ response }) => response.headers), [expected, expected]);
});

test('a body that was read before the middleware is told from none', async (t) => {
  const fake = await fakeParallax(t, 'accept');
  const poster = new Poster(fake.url, { paths: ['/search'], methods: ['POST'] });
  const app = express().use(express.text({ type: () => true }), postedChecks(poster));
  const server = http.createServer(app.post('/search', (request, response) => response.send(request.body)));
  t.after(() => server.close());
  await ask(await listening(server), post('/search', 'words'));
  await until(() => poster.leftOut === 1, 'it is left out');
});

test('a stream passes as it comes, and is posted when the client has it', async (t) => {
  const fake = await fakeParallax(t, 'accept');
  let release;
  const { port, poster } = await start(t, fake.url, { go: new Promise((resolve) => { release = resolve; }) });
  const socket = net.connect({ host: '127.0.0.1', port, timeout: DEADLINE });
  socket.on('timeout', () => socket.destroy(new Error('the first piece does not come alone')));
  socket.write(get('/returns/slow'));
  let seen = '';
  for await (const piece of socket) {
    seen += piece;
    if (!seen.includes('first') || !release) continue;
    assert.deepEqual(fake.requests, []);
    release();
    release = undefined;
  }
  assert.match(seen, /second/);
  await until(() => poster.posted === 1, 'it is posted');
  assert.equal(fake.checks()[0].response.body, 'firstsecond');
});

test('the client that goes away early leaves nothing to check', async (t) => {
  const fake = await fakeParallax(t, 'accept');
  const { port, poster } = await start(t, fake.url, { go: new Promise(() => {}) });
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(get('/returns/slow'));
  socket.once('data', () => socket.destroy());
  await until(() => poster.leftOut === 1, 'it is left out');
  assert.deepEqual(fake.requests, []);
});

test('the queue is bounded, and what waited is posted together', async (t) => {
  const fake = await fakeParallax(t, 'hang', 'accept');
  const { port, poster } = await start(t, fake.url, { queueChecks: 5, timeout: DEADLINE });
  await ask(port, get('/returns/1'));
  await until(() => fake.hanging.length === 1, 'one is being posted');
  for (let count = 0; count < 8; count += 1) await ask(port, get('/returns/1'));
  await until(() => poster.dropped === 3, 'three find no room');
  fake.hanging[0].destroy(); // it breaks off, and the same batch comes again
  await until(() => poster.posted === 6, 'six are posted');
  const [first, again, ...rest] = fake.requests;
  assert.equal(first.body, again.body, 'with the same ids');
  assert.equal(rest.length, 1, 'five in one batch');
  assert.equal(new Set(fake.checks().map(({ id }) => id)).size, 6);
  assert.deepEqual(counts(poster), { posted: 6, dropped: 3, failed: 0, leftOut: 0 });
});

test('the queue is bounded in bytes', async (t) => {
  const { port, poster } = await start(t, (await fakeParallax(t, 'hang')).url, { queueBytes: 10_000 });
  for (let count = 0; count < 5; count += 1) await ask(port, get('/returns/large'));
  await until(() => poster.dropped >= 3, '6,000 bytes fit once, besides what is being posted');
  const good = await start(t, (await fakeParallax(t, 'accept')).url, { queueBytes: 10_000 });
  for (let count = 1; count <= 5; count += 1) {
    await ask(good.port, get('/returns/large'));
    await until(() => good.poster.posted === count, 'what was posted leaves room');
  }
});

test('503 is tried again when it says, and not for ever', async (t) => {
  const fake = await fakeParallax(t, [503, { 'Retry-After': '0' }], [503, { 'Retry-After': '3600' }], 'accept');
  const { port, poster } = await start(t, fake.url, { longestPause: 10 });
  await ask(port, get('/returns/1'));
  await until(() => poster.posted === 1, 'it is posted');
  assert.equal(fake.requests.length, 3);
  assert.equal(new Set(fake.requests.map(({ body }) => body)).size, 1);
  for (const [status, times] of [[503, 4], [401, 1]]) {
    const refusing = await fakeParallax(t, [status, {}]);
    const other = await start(t, refusing.url);
    await ask(other.port, get('/returns/1'));
    await until(() => other.poster.failed === 1, 'it is given up');
    assert.equal(refusing.requests.length, times);
    assert.match(other.poster.lastError, new RegExp(`^${status}`));
  }
});

test('it closes in time, and posts what it can', { timeout: DEADLINE * 3 }, async (t) => {
  const one = await start(t, (await fakeParallax(t, 'accept')).url);
  for (let count = 0; count < 20; count += 1) await ask(one.port, get('/returns/1'));
  await until(() => one.poster.posted > 0, 'the last answer has ended');
  await one.poster.close();
  assert.deepEqual(counts(one.poster), { posted: 20, dropped: 0, failed: 0, leftOut: 0 });
  const fake = await fakeParallax(t, 'hang');
  const { port, poster } = await start(t, fake.url, { timeout: DEADLINE * 10 });
  await ask(port, get('/returns/1'));
  await until(() => fake.requests.length === 1, 'one is being posted');
  await ask(port, get('/returns/1'));
  const began = Date.now();
  await poster.close(100);
  assert.ok(Date.now() - began < DEADLINE, 'it waited for parallax');
  await ask(port, get('/returns/1'));
  await until(() => poster.dropped === 2, 'what waited and what comes later is counted');
  assert.equal(poster.failed, 1);
});

const control = process.env.PARALLAX_CONTROL;
test('a real parallax accepts them', { skip: !control && 'no parallax to post to (PARALLAX_CONTROL)' }, async (t) => {
  const { port, poster } = await start(t, control, { paths: ['/express'] });
  await ask(port, get('/express/bytes'));
  for (let number = 0; number < 19; number += 1) await ask(port, get(`/express/${number}`));
  await until(() => poster.posted + poster.failed + poster.dropped + poster.leftOut === 20, 'all are posted');
  assert.deepEqual(counts(poster), { posted: 20, dropped: 0, failed: 0, leftOut: 0 }, poster.lastError);
});
