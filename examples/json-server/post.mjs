// Posts what was recorded to parallax, one check after another, as a monolith would that posts what it has
// answered. Each is done before the next is posted, because some of them write.
// Usage: node post.mjs CONTROL_URL RECORDING

import { readFileSync } from 'node:fs';

const [control, recording] = process.argv.slice(2);
const { entries } = JSON.parse(readFileSync(recording, 'utf8')).log;
let left = 0;
const pairs = (headers) => headers.map(({ name, value }) => [name, value]);

for (const { request, response } of entries) {
  const { pathname, search } = new URL(request.url);
  // As it was sent, because `URL` may spell a path in another way.
  const path = request.url.slice(request.url.indexOf(pathname + search));
  const check = {
    request: {
      method: request.method,
      url: { path },
      headers: pairs(request.headers),
      body: request.postData?.text ?? null,
    },
    response: {
      status: response.status,
      headers: pairs(response.headers),
      body: response.content.text,
      body_encoding: 'base64',
    },
  };
  const answer = await fetch(`${control}/consistency-checks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(check),
  });
  if (answer.status === 422) {
    // Of no operation: the proxy passes those on, and checks nothing.
    left += 1;
    continue;
  }
  if (answer.status !== 202) throw new Error(`${request.method} ${path}: ${answer.status} ${await answer.text()}`);
  await done(answer.headers.get('location'));
}
console.log(`${entries.length - left} checks posted, all done; ${left} requests of no operation left out`);

/** Waits until a check has come to its outcome. */
async function done(location) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const { state } = await (await fetch(`${control}${location}`)).json();
    if (state === 'done') return;
    if (Date.now() > deadline) throw new Error(`${location} is not done`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
