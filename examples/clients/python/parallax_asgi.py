"""ASGI middleware that posts what was asked and answered to parallax, after the client has its answer.

    poster = Poster("http://127.0.0.1:9900", paths=["/returns"])
    application = PostedChecks(application, poster)      # outermost, to see what the client sees
"""

import asyncio

from parallax_poster import Body, line


class PostedChecks:
    """The application, watched."""

    def __init__(self, application, poster):
        self.application, self.poster = application, poster

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.application(scope, receive, self.closing(send))
            return
        watched = scope["type"] == "http" and Watched(self.poster, scope)
        if not watched or not self.poster.wants(watched.method, watched.path, watched.request_headers):
            await self.application(scope, receive, send)
            return

        async def received():
            message = await receive()
            watched.received(message)
            return message

        async def sent(message):
            await send(message)  # first the client
            watched.sent(message)

        try:
            await self.application(scope, received, sent)
        finally:
            watched.offer()  # it did not end: left out

    def closing(self, send):
        """What waits is posted when the server shuts down, in the bounded time that `close` allows."""

        async def sent(message):
            if message["type"] == "lifespan.shutdown.complete":
                await asyncio.to_thread(self.poster.close)
            await send(message)

        return sent


class Watched:
    """What is seen of an exchange."""

    def __init__(self, poster, scope):
        query = scope.get("query_string", b"").decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        self.poster, self.method, self.path = poster, scope["method"], path + (f"?{query}" if query else "")
        self.request_headers = [line(name, value) for name, value in scope["headers"]]
        self.request_body, self.body = Body(poster.body_limit), Body(poster.body_limit)
        # A request without a body has ended, whether the application asks for its body or not.
        names = [name for name, _ in self.request_headers]
        self.request_ended = "content-length" not in names and "transfer-encoding" not in names
        self.status, self.headers, self.ended, self.offered = None, [], False, False

    def received(self, message):
        if message["type"] == "http.request":
            self.request_body.add(message.get("body", b""))
            self.request_ended |= not message.get("more_body", False)

    def sent(self, message):
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.headers = [line(name, value) for name, value in message.get("headers", [])]
        elif kind == "http.response.body":
            self.body.add(message.get("body", b""))
            self.ended = not message.get("more_body", False)
            if self.ended:
                self.offer()  # now, and not after the background tasks of the application
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            self.body.bytes = None  # a file that the server sends by itself passes unseen

    def offer(self):
        if self.offered:
            return
        self.offered = True
        asked = self.request_body if self.request_ended else None
        answered = self.body if self.ended else None
        self.poster.offer(self.method, self.path, self.request_headers, asked, self.status, self.headers, answered)
