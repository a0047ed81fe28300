// Express middleware that posts what was asked and answered to parallax, after the client has its
// answer.
//
//   const poster = new Poster('http://127.0.0.1:9900', { paths: ['/returns'] });
//   app.use(postedChecks(poster));                    // first, to see what the client sees
//   process.on('SIGTERM', () => server.close(() => poster.close()));

export const postedChecks = (poster) => (request, response, next) => {
  const path = request.originalUrl;
  if (poster.wants(request.method, path.split('?', 1)[0], request.headers)) watch(poster, path, request, response);
  next();
};

function watch(poster, path, request, response) {
  const asked = new Body(poster.bodyLimit);
  const answered = new Body(poster.bodyLimit);
  const hasBody = Number(request.headers['content-length'] ?? 0) > 0 || 'transfer-encoding' in request.headers;
  // Another middleware was first, and has read some of it.
  const isLate = hasBody && (request.complete || request.readableDidRead || request.readableLength > 0);
  let given = {};

  // What comes from the socket goes through `push`, whichever way the application reads it.
  const { push } = request;
  request.push = function (piece, ...rest) {
    if (piece !== null) asked.add(piece);
    return push.call(this, piece, ...rest);
  };

  // Headers that are given here and nowhere else are not among those of `getHeaders`.
  const { writeHead, write, end } = response;
  response.writeHead = function (status, ...rest) {
    given = plain(rest.at(-1));
    return writeHead.call(this, status, ...rest);
  };
  // The client first: each piece is handed on, and copied then. Its memory is the application's.
  response.write = function (piece, encoding, ...rest) {
    const more = write.call(this, piece, encoding, ...rest);
    answered.add(piece, encoding);
    return more;
  };
  response.end = function (piece, encoding, ...rest) {
    const ended = end.call(this, piece, encoding, ...rest);
    if (piece !== undefined && piece !== null && typeof piece !== 'function') answered.add(piece, encoding);
    return ended;
  };

  // 'finish' is when the whole answer was given to the socket; without it the client was gone before.
  let isFinished = false;
  response.once('finish', () => { isFinished = true; });
  response.once('close', () => {
    const isWhole = isFinished && !isLate && (!hasBody || request.complete) && asked.pieces && answered.pieces;
    if (!isWhole) {
      poster.leftOut += 1;
      return;
    }
    const headers = texts({ ...response.getHeaders(), ...given });
    const requestHeaders = texts(request.headers);
    const bytes = asked.length + answered.length + JSON.stringify([headers, requestHeaders]).length;
    poster.offer(bytes, {
      method: request.method, path, requestHeaders, requestBody: Buffer.concat(asked.pieces),
      status: response.statusCode, headers, body: Buffer.concat(answered.pieces),
    });
  });
}

// A copy of the bytes that pass. Beyond the limit they are forgotten, and pass on.
class Body {
  pieces = [];
  length = 0;

  constructor(limit) {
    this.limit = limit;
  }

  add(piece, encoding) {
    if (!this.pieces) return;
    const copy = Buffer.from(piece, typeof encoding === 'string' ? encoding : 'utf8');
    this.length += copy.length;
    if (this.length > this.limit) this.pieces = undefined;
    else this.pieces.push(copy);
  }
}

// The headers of `writeHead`: an object, or a list of names and values by turns.
function plain(headers) {
  if (typeof headers !== 'object' || headers === null) return {};
  if (!Array.isArray(headers)) return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const flat = headers.flat();
  const found = {};
  for (let at = 0; at < flat.length; at += 2) {
    const name = String(flat[at]).toLowerCase();
    found[name] = name in found ? [found[name], flat[at + 1]].flat() : flat[at + 1];
  }
  return found;
}

function texts(headers) {
  const text = (value) => {
    // Node reads and writes headers as Latin-1; parallax reads UTF-8, which is mostly what they are.
    const bytes = Buffer.from(String(value), 'latin1');
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return String(value);
    }
  };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, Array.isArray(value) ? value.map(text) : text(value)]));
}
