"""A server of files, for the tests of what fetches some."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def serving(files, cut=None):
    """A server of these files; it drops the connection after `cut` bytes of an answer."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            span = self.headers.get("Range")
            asked.append((self.path[1:], span))
            data = files.get(self.path[1:])
            start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            if data is None or start >= len(data):
                self.send_error(404 if data is None else 416)
                return
            self.send_response(206 if span else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:][:cut])

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/", asked
        server.shutdown()
