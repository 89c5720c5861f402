"""An HTTP server that breaks the rules in every other connection: breaks-http.py PORT HOW.

The first, third, … connection is answered as it should be. In the others the first request is answered by what
HOW says. On SIGTERM it prints how many connections were answered well, how many badly, and how many of the
latter the client has reset.
"""

import asyncio
import itertools
import signal
import sys

port, how = int(sys.argv[1]), sys.argv[2]
HEAD = b"HTTP/1.1 200 OK\r\n"
PAGE = HEAD + b"Content-Length: 900\r\n\r\n" + b"x" * 900
CHUNK = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
LINE = b"X-Long: " + b"y" * 1014 + b"\r\n"
BROKEN = {
    "garbage": [b"\x16\x03\x01\x02garbage" * 20],
    "2^63": [HEAD + b"Content-Length: 9223372036854775808\r\n\r\nhello"],
    "endless": [CHUNK, b"fffff\r\nmore"],
    "header": [HEAD, *([LINE] * 10_240)],
    "twice": [PAGE + PAGE],
}
numbers = itertools.count()
counts = {"well": 0, "badly": 0, "reset": 0}


async def serve(reader, writer):
    is_well = next(numbers) % 2 == 0
    counts["well" if is_well else "badly"] += 1
    try:
        await reader.readuntil(b"\r\n\r\n")
        for piece in [PAGE] if is_well else BROKEN[how]:
            writer.write(piece)
            await writer.drain()
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(PAGE)
    except ConnectionError:
        if not is_well:
            counts["reset"] += 1
    except asyncio.IncompleteReadError:
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", port, backlog=1024)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    async with server:
        await ended.wait()
    print(f"answered {counts['well']} well, {counts['badly']} badly, {counts['reset']} reset", flush=True)


asyncio.run(main())
