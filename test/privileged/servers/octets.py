"""What a server received, octet by octet, in a file that the tests read while it grows.

One line of JSON an event: {"id": 1, "event": "open" | "octets" | "end" | "lost" | "closed", ...}.
`octets` carries what one read gave, as hexadecimal digits, and when, in seconds of a steady clock; `end` is the peer's FIN, `lost` a reset.
"""

import itertools
import json
import time


class Ledger:
    def __init__(self, path):
        # Unbuffered: a test that sees a connection closed sees all its octets too.
        self._file = open(path, "ab", buffering=0)
        self._ids = itertools.count(1)

    def open(self, transport):
        identity = next(self._ids)
        address, port = transport.get_extra_info("peername")[:2]
        self._write({"id": identity, "event": "open", "address": address, "port": port})
        return identity

    def octets(self, identity, data):
        seconds = time.monotonic()
        self._write({"id": identity, "event": "octets", "hex": bytes(data).hex(), "at": seconds})

    def end(self, identity):
        self._write({"id": identity, "event": "end"})

    def closed(self, identity, fault):
        event = "lost" if fault is not None else "closed"
        self._write({"id": identity, "event": event})

    def _write(self, event):
        self._file.write(json.dumps(event).encode() + b"\n")
