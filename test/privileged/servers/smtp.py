"""An SMTP server (aiosmtpd) that also notes every octet it was sent: smtp.py PORT LEDGER."""

import asyncio
import logging
import sys

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

from octets import Ledger

port, ledger = int(sys.argv[1]), Ledger(sys.argv[2])


class NotingSmtp(SMTP):
    """Stands between the transport and aiosmtpd and changes nothing."""

    def connection_made(self, transport):
        self._identity = ledger.open(transport)
        super().connection_made(transport)

    def data_received(self, data):
        ledger.octets(self._identity, data)
        super().data_received(data)

    def eof_received(self):
        ledger.end(self._identity)
        return super().eof_received()

    def connection_lost(self, error):
        ledger.closed(self._identity, error)
        super().connection_lost(error)


async def main():
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()

    def factory():
        return NotingSmtp(Sink(), hostname="target.test", ident="SMTP", loop=loop)

    server = await loop.create_server(factory, host=["0.0.0.0", "::"], port=port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
