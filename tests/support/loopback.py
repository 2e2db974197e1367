"""A server on loopback whose every answer a test chooses."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Each path has a list of acts, one per request; the last is repeated. ``asked`` are the paths."""

    def __init__(self):
        self.acts, self.asked = {}, []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.path)
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


def whole(body, *, send=None, **headers):
    """The file; ``send`` bytes of it, then the connection ends."""
    return lambda handler: answer(handler, 200, body, {"Content-Length": len(body), **headers}, send=send)


def lengthless(body):
    return lambda handler: answer(handler, 200, body, {"Connection": "close"})
