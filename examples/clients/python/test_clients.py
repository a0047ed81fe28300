"""What the middleware promises, with two real servers and a parallax that does what it should, or does not.

    PARALLAX_CONTROL=http://127.0.0.1:9900 python3 -m unittest     with a real parallax as well
"""

import asyncio, base64, http.server, json, logging, os, socket, threading, time, unittest, unittest.mock

import uvicorn, waitress.server

import parallax_asgi, parallax_wsgi
from parallax_poster import Poster

DEADLINE = 20.0
logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a busy machine is no fault
# The application: path → status, headers, pieces of the body.
LARGE = b"x" * 3000
COOKIES = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
PAGES = {
    "/returns/1": (200, [("Content-Type", "application/json"), *COOKIES],
                   [b'{"name": "J\xc3\xb6rg",', b' "id": 1}']),
    "/returns/sized": (200, [("Content-Type", "text/plain")], [b"one piece"]),
    "/returns/none": (404, [("Content-Length", "0")], []),
    "/returns/bytes": (200, [("Content-Type", "application/octet-stream")], [b"\xff\x00\xfe"]),
    "/returns/latin": (200, [("Content-Type", "text/plain; charset=ISO-8859-1")], [b"plain"]),
    "/returns/coded": (200, [("Content-Type", "text/plain"), ("Content-Encoding", "own")], [b"looks like text"]),
    "/returns/large": (200, [("Content-Type", "text/plain")], [LARGE, LARGE]),
    "/returns/slow": (200, [("Content-Type", "text/plain")], [b"first", None, b"second"]),  # None: waits for `go`
    "/returnsall": (200, [("Content-Type", "text/plain")], [b"another"]),
}
go = threading.Event()


def page(method, path, asked):
    if method == "POST":
        return 200, [("Content-Type", "text/plain")], [b"asked: " + asked]
    if path.endswith("/bytes"):
        return 200, [("Content-Type", "application/octet-stream"), *COOKIES], [b"\xff\x00\xfe"]
    if path.startswith(("/wsgi/", "/asgi/")):
        return 200, [("Content-Type", "application/json")], [b'{"id": "%s"}' % path.rpartition("/")[2].encode()]
    return PAGES[path]


def wsgi(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    asked = environ["wsgi.input"].read(length) if length and not environ["PATH_INFO"].endswith("unread") else b""
    status, headers, pieces = page(environ["REQUEST_METHOD"], environ["PATH_INFO"], asked)
    start_response(f"{status} Any", headers)
    if None not in pieces:
        return list(pieces)  # with a length, which the server uses
    return (piece for piece in pieces if piece is not None or not go.wait(DEADLINE))


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    asked = b""
    while scope["method"] == "POST" and not scope["path"].endswith("unread"):
        message = await receive()
        asked += message["body"]
        if not message.get("more_body"):
            break
    status, headers, pieces = page(scope["method"], scope["path"], asked)
    headers = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in pieces:
        if piece is None:
            await asyncio.to_thread(go.wait, DEADLINE)
        else:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Waitress:
    module, name = parallax_wsgi, "wsgi"

    def __init__(self, poster):
        application = wsgi if poster is None else parallax_wsgi.PostedChecks(wsgi, poster)
        self.poster = poster
        self.server = waitress.server.create_server(application, host="127.0.0.1", port=0, threads=8)
        self.port = self.server.effective_port
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self):
        if self.thread.is_alive():
            self.server.trigger.pull_trigger(self.server.close)  # in its own thread
            self.thread.join(DEADLINE)
            self.server.task_dispatcher.shutdown(timeout=DEADLINE)
        if self.poster:
            self.poster.close(wait=1.0)


class Uvicorn:
    module, name = parallax_asgi, "asgi"

    def __init__(self, poster):
        application = asgi if poster is None else parallax_asgi.PostedChecks(asgi, poster)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(application, lifespan="on", log_level="error"))
        self.thread = threading.Thread(target=self.server.run, args=([listener],))
        self.thread.start()

    def stop(self):  # closes the poster, through the application's lifespan
        self.server.should_exit = True
        self.thread.join(DEADLINE)


class FakeParallax:
    """`answers` is what it does, one for each request; the last one for ever after."""

    def __init__(self, *answers):
        fake = self
        self.answers, self.requests, self.let_go = list(answers), [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fake.requests.append((self.path, dict(self.headers), body))
                answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                if answer == "hang":
                    fake.let_go.wait(DEADLINE)
                    return
                status, headers = (207, {}) if answer == "accept" else answer
                results = [{"status": 202, "id": check["id"]} for check in lines(body)]
                said = json.dumps(results if status == 207 else {"status": status, "detail": "no"}).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def checks(self):
        return [check for _, _, body in self.requests for check in lines(body)]

    def stop(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(DEADLINE)


def lines(body):
    return [json.loads(line) for line in body.splitlines()]


def ask(port, request):
    """The whole answer as bytes, less its date."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:"))


def get(path, method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\nAccept: */*\r\nConnection: close\r\n{more}\r\n".encode()


def post(path, body):
    return get(path, "POST", f"Content-Length: {len(body)}\r\n") + body


class Promises:
    """Held for both kinds of server."""

    server = None  # Waitress or Uvicorn

    def setUp(self):
        self.fakes = []

    def start(self, url, watched=True, **options):
        options = {"paths": ["/returns", "/search"], "methods": ["GET", "HEAD", "POST"], "pause": 0.01, **options}
        poster = Poster(url, **options)
        house = self.server(poster if watched else None)
        self.addCleanup(house.stop)
        self.addCleanup(go.set)  # before the house is stopped, so that nobody waits for those that hang
        self.addCleanup(lambda: [fake.let_go.set() for fake in self.fakes])
        return house, poster

    def parallax(self, *answers):
        fake = FakeParallax(*answers)
        self.addCleanup(fake.stop)
        self.fakes.append(fake)
        return fake

    def until(self, true, what):
        began = time.monotonic()
        while not true():
            self.assertLess(time.monotonic() - began, DEADLINE, what)
            time.sleep(0.005)

    def counts(self, poster):
        return poster.posted, poster.dropped, poster.failed, poster.left_out

    def test_answers_are_the_same_byte_by_byte_whatever_parallax_does(self):
        refusing = socket.create_server(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{refusing.getsockname()[1]}"
        refusing.close()
        plain, _ = self.start(nobody, watched=False)
        requests = [get(path) for path in PAGES] + [get("/returns/1", "HEAD"), post("/search?q=%2F", b"words")]
        go.set()
        expected = [ask(plain.port, request) for request in requests]
        hanging, full = self.parallax("hang").url, self.parallax((503, {"Retry-After": "3600"})).url
        for url in [hanging, full, nobody, self.parallax("accept").url]:
            house, poster = self.start(url, timeout=DEADLINE * 10)
            began = time.monotonic()
            for request, answer in zip(requests, expected):
                self.assertEqual(ask(house.port, request), answer)
            self.assertLess(time.monotonic() - began, DEADLINE, "the answers waited for parallax")

    def test_the_payload_is_the_contract_s(self):
        token = unittest.mock.patch.dict(os.environ, {"PARALLAX_TOKEN": "a-secret"})
        token.start()
        self.addCleanup(token.stop)
        fake = self.parallax("accept")
        house, poster = self.start(fake.url)
        asked = [get("/returns/1?a=%2F&b"), get("/returns/bytes"), get("/returns/latin"), get("/returns/coded"),
                 get("/returns/1", "HEAD"), get("/returns/none"), post("/search", b"w\xc3\xb6rter"),
                 post("/search", b"\xff")]
        for number, request in enumerate(asked, 1):
            ask(house.port, request)
            self.until(lambda: poster.posted == number, "it is posted")
        path, headers, _ = fake.requests[0]
        self.assertEqual((path, headers["Content-Type"], headers["Authorization"]),
                         ("/consistency-checks", "application/x-ndjson", "Bearer a-secret"))
        one, *others = fake.checks()
        self.assertEqual(len(one.pop("id")), 36)
        for made_by_server in ("date", "server", "transfer-encoding", "via"):
            one["response"]["headers"].pop(made_by_server, None)
        self.assertEqual(one, {
            "request": {"method": "GET", "url": {"path": "/returns/1?a=%2F&b"}, "body": None,
                        "headers": {"host": "here", "accept": "*/*", "connection": "close"}},
            "response": {"status": 200, "body": '{"name": "Jörg", "id": 1}',
                         "headers": {"content-type": "application/json", "set-cookie": ["a=1", "b=2"]}}})
        bodies = [(check["response"]["body"], check["response"].get("body_encoding")) for check in others]
        def coded(body):
            return base64.b64encode(body).decode(), "base64"
        self.assertEqual(bodies, [
            coded(b"\xff\x00\xfe"), coded(b"plain"), coded(b"looks like text"), (None, None), (None, None),
            ("asked: wörter", None), coded(b"asked: \xff")])
        self.assertEqual([(check["request"]["body"], check["request"].get("body_encoding")) for check in others[-2:]],
                         [("wörter", None), coded(b"\xff")])
        self.assertEqual(others[4]["response"]["status"], 404)

    def test_only_what_is_asked_for_is_posted_and_only_whole(self):
        fake = self.parallax("accept")
        house, poster = self.start(fake.url, body_limit=4000, methods=["GET", "POST"])
        for request in [get("/returnsall"), get("/returns/1", "HEAD"), get("/returns/1", more="parallax-recheck: 1\r\n")]:
            ask(house.port, request)  # none of them is wanted
        ask(house.port, get("/returns/large"))
        ask(house.port, post("/search/unread", b"words"))
        ask(house.port, post("/search", b"x" * 4001))
        self.until(lambda: poster.left_out == 3, "three are left out")
        ask(house.port, get("/returns/sized"))
        self.until(lambda: poster.posted == 1, "one is posted")
        self.assertEqual([check["request"]["url"]["path"] for check in fake.checks()], ["/returns/sized"])
        self.assertEqual(self.counts(poster), (1, 0, 0, 3))

    def test_a_stream_passes_as_it_comes_and_is_posted_when_the_client_has_it(self):
        fake = self.parallax("accept")
        house, poster = self.start(fake.url)
        go.clear()
        with socket.create_connection(("127.0.0.1", house.port), timeout=DEADLINE) as connection:
            connection.sendall(get("/returns/slow"))
            seen = b""
            while b"first" not in seen:
                piece = connection.recv(65536)
                self.assertTrue(piece, "the first piece comes alone")
                seen += piece
            self.assertEqual(fake.requests, [])
            go.set()
            while piece := connection.recv(65536):
                seen += piece
        self.assertIn(b"second", seen)
        self.until(lambda: poster.posted == 1, "it is posted")
        self.assertEqual(fake.checks()[0]["response"]["body"], "firstsecond")

    def test_the_queue_is_bounded_and_what_waited_is_posted_together(self):
        fake = self.parallax("hang", "accept")
        house, poster = self.start(fake.url, queue_checks=5, timeout=DEADLINE)
        ask(house.port, get("/returns/1"))
        self.until(lambda: fake.requests, "one is being posted")
        for _ in range(8):
            ask(house.port, get("/returns/1"))
        self.until(lambda: poster.dropped == 3, "three find no room")
        fake.let_go.set()  # it breaks off, and the same batch comes again
        self.until(lambda: poster.posted == 6, "six are posted")
        first, again, *rest = fake.requests
        self.assertEqual(first[2], again[2], "with the same ids")
        self.assertEqual(len(rest), 1, "five in one batch")
        self.assertEqual(len({check["id"] for check in fake.checks()}), 6)
        self.assertEqual(self.counts(poster), (6, 3, 0, 0))

    def test_the_queue_is_bounded_in_bytes(self):
        fake = self.parallax("hang")
        house, poster = self.start(fake.url, queue_bytes=10_000)
        for _ in range(5):
            ask(house.port, get("/returns/large"))
        self.until(lambda: poster.dropped >= 3, "6,000 bytes fit once, besides what is being posted")
        house, poster = self.start(self.parallax("accept").url, queue_bytes=10_000)
        for number in range(1, 6):
            ask(house.port, get("/returns/large"))
            self.until(lambda: poster.posted == number, "what was posted leaves room")

    def test_503_is_tried_again_when_it_says_and_not_for_ever(self):
        fake = self.parallax((503, {"Retry-After": "0"}), (503, {"Retry-After": "3600"}), "accept")
        house, poster = self.start(fake.url, longest_pause=0.01)
        ask(house.port, get("/returns/1"))
        self.until(lambda: poster.posted == 1, "it is posted")
        self.assertEqual(len({body for _, _, body in fake.requests}), 1)
        self.assertEqual(len(fake.requests), 3)
        for refusal, times in [((503, {}), 4), ((401, {}), 1)]:
            fake = self.parallax(refusal)
            house, poster = self.start(fake.url)
            ask(house.port, get("/returns/1"))
            self.until(lambda: poster.failed == 1, "it is given up")
            self.assertEqual(len(fake.requests), times)
            self.assertTrue(poster.last_error.startswith(str(refusal[0])), poster.last_error)

    def test_it_closes_in_time_and_posts_what_it_can(self):
        fake = self.parallax("accept")
        house, poster = self.start(fake.url)
        for _ in range(20):
            ask(house.port, get("/returns/1"))
        house.stop()
        self.assertEqual(self.counts(poster), (20, 0, 0, 0))
        fake = self.parallax("hang")
        house, poster = self.start(fake.url, timeout=DEADLINE * 10)
        ask(house.port, get("/returns/1"))
        self.until(lambda: fake.requests, "one is being posted")
        ask(house.port, get("/returns/1"))
        began = time.monotonic()
        poster.close(wait=0.1)
        self.assertLess(time.monotonic() - began, DEADLINE)
        self.until(lambda: poster.dropped == 1, "what waited is counted")
        ask(house.port, get("/returns/1"))
        self.until(lambda: poster.dropped == 2, "and so is what comes later")

    @unittest.skipUnless("PARALLAX_CONTROL" in os.environ, "no parallax to post to (PARALLAX_CONTROL)")
    def test_a_real_parallax_accepts_them(self):
        house, poster = self.start(os.environ["PARALLAX_CONTROL"], paths=["/" + self.server.name])
        for name in ["bytes", *range(19)]:
            ask(house.port, get(f"/{self.server.name}/{name}"))
        self.until(lambda: sum(self.counts(poster)) == 20, "all are posted")
        self.assertEqual(self.counts(poster), (20, 0, 0, 0), poster.last_error)


class Wsgi(Promises, unittest.TestCase):
    server = Waitress


class Asgi(Promises, unittest.TestCase):
    server = Uvicorn


if __name__ == "__main__":
    unittest.main()
