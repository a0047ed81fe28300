"""WSGI middleware that posts what was asked and answered to parallax, after the client has its answer.

    poster = Poster("http://127.0.0.1:9900", paths=["/returns"])
    application = PostedChecks(application, poster)      # outermost, to see what the client sees
"""

import urllib.parse

from parallax_poster import Body, line


class PostedChecks:
    """The application, watched."""

    def __init__(self, application, poster):
        self.application, self.poster = application, poster

    def __call__(self, environ, start_response):
        method, path, headers = environ["REQUEST_METHOD"], target(environ), request_headers(environ)
        if not self.poster.wants(method, path, headers):
            return self.application(environ, start_response)

        watched = Watched(self.poster, method, path, headers)
        length = environ.get("CONTENT_LENGTH")
        if length or "HTTP_TRANSFER_ENCODING" in environ:
            environ = {**environ, "wsgi.input": Input(environ["wsgi.input"], watched.request_body)}
            watched.length = int(length) if length and length.isdecimal() else -1

        def started(status, headers, *exception):
            write = start_response(status, headers, *exception)  # first, as it may refuse them
            watched.status = int(status[:3])
            watched.headers = [line(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers]

            def written(piece):  # the old way to answer, which PEP 3333 still allows
                write(piece)
                watched.body.add(piece)

            return written

        try:
            answer = self.application(environ, started)
        except BaseException:
            watched.offer()  # left out: the server makes an answer of its own
            raise
        return (SizedAnswer if hasattr(answer, "__len__") else Answer)(answer, watched)


class Watched:
    """What is seen of an exchange."""

    def __init__(self, poster, method, path, headers):
        self.poster, self.method, self.path, self.request_headers = poster, method, path, headers
        self.request_body, self.body = Body(poster.body_limit), Body(poster.body_limit)
        self.length, self.status, self.headers, self.ended = 0, None, [], False

    def offer(self):
        # An application need not read what it was sent, and a client need not wait for the end of its answer. The
        # length of a chunked request is not known here (-1), so nobody knows whether it was read whole.
        asked = self.request_body if len(self.request_body) == self.length else None
        answered = self.body if self.ended and self.status else None
        self.poster.offer(self.method, self.path, self.request_headers, asked, self.status, self.headers, answered)


class Answer:
    """The application's iterable: each piece is handed on when it comes."""

    def __init__(self, answer, watched):
        self._answer, self._pieces, self._watched = answer, iter(answer), watched

    def __iter__(self):
        return self

    def __next__(self):
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._watched.ended = True
            raise
        self._watched.body.add(piece)
        return piece

    def close(self):
        """The server calls this when it has sent the answer, or has given it up."""
        try:
            if hasattr(self._answer, "close"):
                self._answer.close()
        finally:
            self._watched.offer()


class SizedAnswer(Answer):
    """Servers ask a list for its length, to know the Content-Length before they send."""

    def __len__(self):
        return len(self._answer)


class Input:
    """`wsgi.input`, copied as far as the application reads it."""

    def __init__(self, stream, body):
        self._stream, self._body = stream, body

    def _copied(self, piece):
        self._body.add(piece)
        return piece

    def read(self, *size):
        return self._copied(self._stream.read(*size))

    def readline(self, *size):
        return self._copied(self._stream.readline(*size))

    def readlines(self, *hint):
        return [self._copied(piece) for piece in self._stream.readlines(*hint)]

    def __iter__(self):
        return map(self._copied, self._stream)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def target(environ):
    """Path and query as the client wrote them where the server tells (gunicorn, uWSGI, mod_wsgi), else written anew."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if raw.startswith("/"):
        return raw.partition("#")[0]
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    query = environ.get("QUERY_STRING")
    return urllib.parse.quote(path, safe="/!$&'()*+,;=:@~") + (f"?{query}" if query else "")


def request_headers(environ):
    named = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return [line(name.replace("_", "-").encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
