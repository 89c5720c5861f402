"""A server that speaks first and notes every octet it was sent: greeting.py PORT LEDGER [DELAY_MS].

It greets, answers each line with its length, and on `quit` says goodbye and closes. The answer to
`big N` is followed by N octets, so that a script can ask for more than one window. Every answer
comes DELAY_MS after its line (at once when there is none), in the order of the lines.
"""

import asyncio
import sys

from octets import Ledger

port, ledger = int(sys.argv[1]), Ledger(sys.argv[2])
delay_seconds = float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0


class Greeting(asyncio.Protocol):
    def connection_made(self, transport):
        self._transport = transport
        self._identity = ledger.open(transport)
        self._rest = b""
        transport.write(b"hello, this is the greeting server\r\n")

    def data_received(self, data):
        ledger.octets(self._identity, data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if delay_seconds == 0:
                self._answer(line.strip())
            else:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_seconds, self._answer, line.strip())

    def eof_received(self):
        ledger.end(self._identity)

    def connection_lost(self, error):
        ledger.closed(self._identity, error)

    def _answer(self, line):
        if line == b"quit":
            self._transport.write(b"goodbye\r\n")
            self._transport.close()
            return
        self._transport.write(b"ok %d\r\n" % len(line))
        if line.startswith(b"big "):
            self._transport.write(b"x" * int(line[4:]) + b"\r\n")


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Greeting, host=["0.0.0.0", "::"], port=port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
