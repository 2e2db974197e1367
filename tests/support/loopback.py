"""A server on loopback whose every answer a test chooses."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Each path has a list of acts, one a request; the last is repeated. ``asked`` are the paths and ranges."""

    def __init__(self):
        self.acts, self.asked = {}, []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
                acts = outer.acts.get(self.path, [status(404)])
                (acts.pop(0) if len(acts) > 1 else acts[0])(self)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def ranges(self):
        return [each for _, each, _ in self.asked]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def answer(handler, code, body, headers, *, send=None):
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[:send])


def status(code, body=b"no"):
    return lambda handler: answer(handler, code, body, {"Content-Length": len(body)})


def whole(body, *, send=None, tag='"one"', **headers):
    """The file from its beginning, whatever range was asked for; ``send`` bytes of it, then the connection ends."""
    fields = {"Content-Length": len(body), **({"ETag": tag} if tag else {}), **headers}
    return lambda handler: answer(handler, 200, body, fields, send=send)


def ranged(body, *, send=None, tag='"one"'):
    """The file from the byte asked for, unless it has changed since."""

    def act(handler):
        asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        if not asked or condition not in (None, tag):
            return whole(body, send=send, tag=tag)(handler)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(body):
            return status(416)(handler)
        fields = {"Content-Length": len(body) - start, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        return answer(handler, 206, body[start:], fields, send=send)

    return act


def lengthless(body):
    return lambda handler: answer(handler, 200, body, {"Connection": "close"})


def chunked(body, *, end=True):
    def act(handler):
        answer(handler, 200, b"", {"Transfer-Encoding": "chunked"})
        handler.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n" + (b"0\r\n\r\n" if end else b""))

    return act
