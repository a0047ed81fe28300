// Sends the example's requests through parallax, one after another over one connection, and fails
// when one of them has no answer. What was asked and answered is written to HAR_FILE, as a browser or
// a recording proxy would. Usage: node requests.mjs PROXY_URL CONTROL_URL HAR_FILE

import { writeFileSync } from 'node:fs';
import http from 'node:http';

const [proxy, control, archive] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const filters = [
  'topic=fit', 'topic=colour', 'topic=delivery', 'topic=quality', 'topic=none', 'topic=', 'topic=f%69t',
  'topic=fit&topic=colour', 'published=true', 'published=false', 'rating=1', 'rating=2.5', 'rating=4.5',
  'meta.language=de', 'meta.language=en', 'meta.language=fr', 'authorId=1', 'authorId=5', 'tags=new',
  'title=scarf%20order%20address', 'id=3', 'id=3&id=4', 'nofield=1', 'rating=5&published=true',
  ...[5, 9, 10, 25, 40, 100, 1000].flatMap((views) => [
    `views=${views}`, `views_gte=${views}`, `views_lte=${views}`, `views_ne=${views}`,
  ]),
  'views_gte=10&views_lte=40', 'views_gte=10&topic=fit', 'topic_ne=fit',
];
const operators = [
  'title_like=label', 'title_like=^s', 'tags_like=new', 'views_gt=40', 'views_lt=10', 'views:gt=40',
  'views:lt=10', 'title:contains=label', 'id:in=1,2,3',
];
const sorts = [
  '_sort=views', '_sort=title', '_sort=meta.length', '_sort=nofield', '_sort=topic,views', '_sort=-views',
  '_sort=views&_order=desc', '_sort=title&_order=desc', '_sort=topic,views&_order=asc,desc',
  'topic=fit&_sort=title',
];
const pages = [
  ...[0, 1, 2, 3, 4, 99, 'abc'].map((page) => `_page=${page}`),
  '_page=1&_limit=5', '_page=2&_limit=5', '_page=1&_per_page=5', '_limit=5', '_limit=0', '_start=5&_end=9',
  '_start=5&_limit=3', '_end=3', '_sort=views&_order=desc&_limit=3',
];
const texts = ['label', 'scarf', 'shoe', 'order', 'zzz', ''].map((word) => `q=${word}`);
const relations = ['_embed=comments', '_embed=author', '_expand=author'];

const get = (target) => ({ method: 'GET', target });
const reads = [
  get('/posts'), get('/posts/'), get('/comments'), get('/authors'), get('/profile'), get('/profile?name=x'),
  ...[filters, operators, sorts, pages, texts, relations].flat().map((query) => get(`/posts?${query}`)),
  ...numbers(1, 30).map((id) => get(`/posts/${id}`)),
  ...numbers(1, 12).map((id) => get(`/posts/${id}/comments`)),
  ...numbers(1, 12).map((id) => get(`/posts/${id}?_embed=comments`)),
  ...numbers(1, 40).map((id) => get(`/comments/${id}`)),
  ...numbers(1, 8).map((id) => get(`/comments?postId=${id}`)),
  ...numbers(1, 6).map((id) => get(`/comments/${id}?_expand=post`)),
  ...numbers(1, 6).map((id) => get(`/comments/${id}?_embed=post`)),
  ...numbers(1, 6).flatMap((id) => [get(`/authors/${id}`), get(`/authors/${id}?_embed=posts`)]),
  get('/authors?name=%C3%89lodie'), get('/authors?name_like=lo'), get('/authors?country=DE'),
  get('/comments?_page=2'), get('/comments?q=parcel'), get('/comments?_sort=body'), get('/comments?_expand=post'),
  // Missing, unknown, misspelt.
  ...['/posts/999', '/posts/abc', '/comments/999', '/authors/99', '/posts/999/comments'].map(get),
  ...['/nothing', '/nothing/1', '/Posts', '/profile/owner', '/db'].map(get),
  ...['/posts', '/posts/1', '/posts/999', '/profile'].map((target) => ({ method: 'HEAD', target })),
  // Wrong methods.
  ...['/posts', '/comments', '/profile'].map((target) => ({ method: 'DELETE', target })),
  ...['/posts/1', '/nothing'].map((target) => ({ method: 'POST', target, body: '{"a":1}' })),
  { method: 'PUT', target: '/posts', body: '{"a":1}' },
  { method: 'OPTIONS', target: '/posts' },
];
// Each runs alone and on both sides before the next is sent, so that later reads find both sides
// in the same state.
const writes = [
  { method: 'PUT', target: '/posts/1', body: '{"title":"replaced","topic":"fit"}' },
  get('/posts/1'),
  { method: 'PUT', target: '/posts/3', body: '{"id":"77","title":"another id"}' },
  get('/posts/3'), get('/posts/77'),
  { method: 'PUT', target: '/posts/999', body: '{"title":"nobody"}' },
  { method: 'PUT', target: '/posts/7', body: '{"title": broken' },
  { method: 'PUT', target: '/posts/8', body: '[]' },
  get('/posts/8'),
  { method: 'PATCH', target: '/posts/2', body: '{"views":77}' },
  get('/posts/2'),
  { method: 'PATCH', target: '/posts/999', body: '{"views":77}' },
  { method: 'DELETE', target: '/posts/5' },
  get('/posts/5'),
  { method: 'DELETE', target: '/posts/999' },
  get('/comments'),
  { method: 'PUT', target: '/profile', body: '{"name":"new"}' },
  get('/profile'),
  // Last, for it runs on legacy only: from here on the two sides hold different data.
  { method: 'POST', target: '/posts', body: '{"title":"made by legacy alone"}' },
];

const answered = new Map();
const entries = [];
for (const request of reads) await send(request);
await settle();
for (const request of writes) {
  await send(request);
  await settle();
}
await written();
const creator = { name: 'requests.mjs', version: '1' };
writeFileSync(archive, JSON.stringify({ log: { version: '1.2', creator, entries } }, null, 1));
const statuses = [...answered].sort().map(([status, count]) => `${count} x ${status}`);
console.log(`${reads.length + writes.length} requests, all answered: ${statuses.join(', ')}`);
agent.destroy();

function send({ method, target, body }) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = http.request(`${proxy}${target}`, { method, agent, headers, timeout: 10_000 });
    request.on('response', (response) => {
      response.on('error', reject);
      response.on('end', () => {
        entries.push(entry(request, { method, target, body }, response, Buffer.concat(pieces)));
        answered.set(response.statusCode, (answered.get(response.statusCode) ?? 0) + 1);
        resolve();
      });
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', (cause) => reject(new Error(`${method} ${target}`, { cause })));
    request.end(body);
  });
}

/** A request and its answer as an entry of an HTTP archive. */
function entry(request, { method, target, body }, response, content) {
  const pairs = (raw) => raw.flatMap((name, at) => at % 2 === 0 ? [{ name, value: raw[at + 1] }] : []);
  const sent = Object.entries(request.getHeaders()).map(([name, value]) => ({ name, value: String(value) }));
  const postData = body === undefined ? undefined : { mimeType: 'application/json', text: body };
  return {
    startedDateTime: new Date().toISOString(),
    time: 0,
    request: { method, url: `${proxy}${target}`, httpVersion: 'HTTP/1.1', headers: sent, postData },
    response: {
      status: response.statusCode,
      statusText: response.statusMessage,
      httpVersion: 'HTTP/1.1',
      headers: pairs(response.rawHeaders),
      content: {
        size: content.length,
        mimeType: response.headers['content-type'] ?? '',
        text: content.toString('base64'),
        encoding: 'base64',
      },
    },
  };
}

/** Waits until every check has come to its outcome. */
async function settle() {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const operations = await (await fetch(`${control}/api/v1/operations`)).json();
    const open = operations.filter((operation) => operation.counts.in_flight > 0);
    if (open.length === 0) return;
    if (Date.now() > deadline) throw new Error(`checks of ${open.map(({ id }) => id)} do not end`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until every fault is written: parallax does so four times a second. */
async function written() {
  const deadline = Date.now() + 15_000;
  let before;
  for (;;) {
    const operations = await (await fetch(`${control}/api/v1/operations`)).json();
    const asked = operations.map(({ id }) => fetch(`${control}/api/v1/operations/${id}/signatures`));
    const now = JSON.stringify(await Promise.all(asked.map(async (answer) => (await answer).json())));
    if (now === before) return;
    if (Date.now() > deadline) throw new Error('the faults do not come to rest');
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 600));
  }
}
