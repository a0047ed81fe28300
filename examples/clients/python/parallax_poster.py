"""Posts checks to parallax, from a service that has answered its client already.

`offer` puts an exchange into a bounded queue and returns. It waits for nothing: where the queue is full, the
exchange is dropped and counted. One thread posts what waits, as many at once as there are. Whatever parallax
does, the service pays with the memory of the queue and nothing else.

Standard library only. parallax_wsgi.py and parallax_asgi.py say what an exchange is.
"""

import atexit, base64, collections, http.client, json, os, re, threading, urllib.parse, uuid

BATCH_CHECKS = 100
BATCH_BYTES = 512 * 1024  # and one exchange more; parallax takes 1,000 checks and 16 MiB
TRY_AGAIN = (408, 429, 500, 502, 503, 504)


class Poster:
    """What became of the exchanges is in `posted` (parallax has them on disk), `dropped` (no room, or closed),
    `failed` (not accepted, see `last_error`), and `left_out` (too large, or not seen whole)."""

    def __init__(self, url, paths, methods=("GET", "HEAD"), body_limit=256 * 1024, queue_checks=1000,
                 queue_bytes=32 << 20, timeout=5.0, attempts=4, pause=1.0, longest_pause=30.0):
        self._url = urllib.parse.urlsplit(url)  # of the control listener: http://127.0.0.1:9900
        self._paths, self._methods, self.body_limit = paths, methods, body_limit
        self._queue_checks, self._queue_bytes = queue_checks, queue_bytes
        self._timeout, self._attempts, self._pause, self._longest_pause = timeout, attempts, pause, longest_pause
        self._waiting, self._bytes = collections.deque(), 0
        self._changed, self._closing, self._thread = threading.Condition(), threading.Event(), None
        self.posted = self.dropped = self.failed = self.left_out = 0
        self.last_error = None

    def wants(self, method, path, headers):
        """Whether this request is to be checked: `/returns` means itself and what is below it. What parallax
        itself has sent is marked, and is not checked again: otherwise checks would beget checks."""
        path = path.partition("?")[0]
        below = any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self._paths)
        return below and method in self._methods and not any(name.startswith("parallax-") for name, _ in headers)

    def offer(self, method, path, request_headers, request_body, status, headers, body):
        """Takes an exchange, if there is room. A body is a `Body`, or None for one that was not seen whole."""
        if any(part is None or part.bytes is None for part in (request_body, body)):
            with self._changed:
                self.left_out += 1
            return
        size = len(request_body) + len(body) + sum(len(n) + len(v) for n, v in [*request_headers, *headers])
        exchange = (size, method, path, request_headers, request_body, status, headers, body)
        with self._changed:
            if (self._closing.is_set() or len(self._waiting) >= self._queue_checks
                    or self._bytes + size > self._queue_bytes):
                self.dropped += 1
                return
            self._waiting.append(exchange)
            self._bytes += size
            # Here and not before: a server that forks its workers would leave the thread in the parent.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="parallax-poster", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._changed.notify()

    def close(self, wait=5.0):
        """Posts what waits, for `wait` seconds at most; what is left then is dropped."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(wait)
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def _run(self):
        while batch := self._take():
            try:
                posted, error = self._post(batch)
            except Exception as unexpected:  # the one thread must go on
                posted, error = 0, repr(unexpected)
            with self._changed:
                self.posted += posted
                self.failed += len(batch) - posted
                self.last_error = error or self.last_error

    def _take(self):
        with self._changed:
            while not self._waiting and not self._closing.is_set():
                self._changed.wait()
            batch, size = [], 0
            while self._waiting and len(batch) < BATCH_CHECKS and size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += batch[-1][0]
            self._bytes -= size
            return batch

    def _post(self, batch):
        """How many were accepted, and why the others were not."""
        # The ids are made once: with them it is safe to post again what may have arrived.
        body = b"".join(json.dumps(check(*exchange[1:])).encode() + b"\n" for exchange in batch)
        for attempt in range(self._attempts):
            pause = self._pause
            try:
                status, retry_after, answer = self._send(body)
                if status == 207:
                    refused = [result for result in json.loads(answer) if result["status"] != 202]
                    return len(batch) - len(refused), refused[0].get("detail") if refused else None
                error = f"{status}: {answer.decode(errors='replace')}"
                if status not in TRY_AGAIN:
                    break
                if retry_after and re.fullmatch("[0-9]{1,9}", retry_after):
                    pause = int(retry_after)
            except (OSError, http.client.HTTPException) as unreachable:
                error = repr(unreachable)
            if attempt + 1 < self._attempts and self._closing.wait(min(pause, self._longest_pause)):
                break  # closing: no time to wait
        return 0, error

    def _send(self, body):
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname, self._url.port, timeout=self._timeout)
        headers = {"Content-Type": "application/x-ndjson"}
        if token := os.environ.get("PARALLAX_TOKEN"):  # with the role `intake`; not needed on loopback
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request("POST", "/consistency-checks", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Retry-After"), answer.read(1 << 20)
        finally:
            connection.close()


class Body:
    """A copy of the bytes that pass. Beyond the limit they are forgotten, and pass on."""

    def __init__(self, limit):
        self.limit, self.bytes = limit, bytearray()

    def __len__(self):
        return len(self.bytes or b"")

    def add(self, piece):
        if self.bytes is not None and len(self.bytes) + len(piece) > self.limit:
            self.bytes = None
        elif self.bytes is not None:
            self.bytes += piece


def check(method, path, request_headers, request_body, status, headers, body):
    """An exchange as parallax reads it."""
    request = {"method": method, "url": {"path": path}, **message(request_headers, request_body.bytes)}
    bodiless = method == "HEAD" or status in (204, 304)
    response = {"status": status, **message(headers, b"" if bodiless else body.bytes)}
    return {"id": str(uuid.uuid4()), "request": request, "response": response}


def message(lines, body):
    """Headers and body. A name that stands on several lines has a list of values."""
    headers = {}
    for name, value in lines:
        headers.setdefault(name, []).append(value)
    headers = {name: values[0] if len(values) == 1 else values for name, values in headers.items()}
    if not body:
        return {"headers": headers, "body": None}
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', str(headers.get("content-type")), re.IGNORECASE)
    # A text is the body as it is only where it is not compressed, and is UTF-8 and says nothing else.
    if "content-encoding" not in headers and (not charset or charset[1].lower() in ("utf-8", "utf8")):
        try:
            return {"headers": headers, "body": body.decode("utf-8")}
        except UnicodeDecodeError:
            pass
    return {"headers": headers, "body": base64.b64encode(body).decode(), "body_encoding": "base64"}


def line(name, value):
    """A header as text, from bytes: UTF-8 where it is that, else Latin-1."""
    try:
        return name.decode("latin-1").lower(), value.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1").lower(), value.decode("latin-1")
