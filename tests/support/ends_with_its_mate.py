"""A service that ends in good order only once another one is asked to end as well.

Follows `python -m tests.support.ends_with_its_mate`.

Its last arguments are a FIFO and how it opens it: to read, or to write. Either waits for the other.
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Healthy(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    """Listen where the metrics would be, and wait for SIGTERM."""
    _, _listen, page, fifo, mode = sys.argv
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = ThreadingHTTPServer(("127.0.0.1", int(page.rpartition(":")[2])), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    with open(fifo, mode):
        pass


if __name__ == "__main__":
    main()
