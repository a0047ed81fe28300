"""The candidate of the tests: answers GET /any/ID as the monoliths do, and GET /any/bytes with bytes that are no
text, and a header on two lines. Usage: candidate.py PORT"""

import http.server, json, sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        is_bytes = name == "bytes"
        body = b"\xff\x00\xfe" if is_bytes else json.dumps({"id": name}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if is_bytes else "application/json")
        for value in ("a=1", "b=2") if is_bytes else ():
            self.send_header("Set-Cookie", value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
