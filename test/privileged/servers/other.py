"""A server that answers otherwise than recorded: other.py PORT HOW.

HOW is `first`: 503 and the end, before anything was asked; `busy`: 503 to each HTTP request;
`short`: a greeting and a short line for each line that comes. It prints how many it has answered
when it is asked by SIGTERM to end.
"""

import signal
import socketserver
import sys
import threading

port, how = int(sys.argv[1]), sys.argv[2]
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nbusy\n"
answered = 0
lock = threading.Lock()


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        if how == "first":
            self.count(BUSY)
            return
        if how == "short":
            self.wfile.write(b"hi\n")
        for line in self.rfile:
            # Of an HTTP request the empty line at its end.
            if how == "short" or line == b"\r\n":
                self.count(b"ok\n" if how == "short" else BUSY)

    def count(self, answer):
        global answered
        with lock:
            answered += 1
        self.wfile.write(answer)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        pass  # Clients that have gone are nothing to report.


def end(*_):
    print(f"answered {answered}", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
server = Server(("0.0.0.0", port), Handler)
print("ready", flush=True)
server.serve_forever()
