"""An HTTP server whose bodies are 600 to 1,500 octets long: lengths.py PORT FORM..., where each answer has by
chance one of these FORMs:

length  header with Content-Length and body in one write
chunks  header, one chunk and the last one in one write
pieces  a chunk in three writes, some milliseconds apart, and the last chunk in another
header  a header of 6,000 octets, then as `length`, in writes of 1,000

On SIGTERM it prints how many answers of each form it has written.
"""

import asyncio
import json
import random
import signal
import sys

port, forms = int(sys.argv[1]), sys.argv[2:]
lengths = random.Random(1)
written = {form: 0 for form in forms}


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


async def say(writer, octets, bytes_at_once, pause):
    for at in range(0, len(octets), bytes_at_once):
        writer.write(octets[at : at + bytes_at_once])
        await writer.drain()
        await asyncio.sleep(pause)


async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            form = lengths.choice(forms)
            body = b"x" * lengths.randint(600, 1500)
            header = b"HTTP/1.1 200 OK\r\n"
            if form == "header":
                header += b"".join(b"X-Policy-%d: %s\r\n" % (i, b"p" * 600) for i in range(10))
            if form in ("length", "header"):
                answer = header + b"Content-Length: %d\r\n\r\n" % len(body) + body
            else:
                answer = header + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)
            if form in ("length", "chunks"):
                writer.write(answer)
            else:
                await say(writer, answer, 1000 if form == "header" else 500, 0.004)
            written[form] += 1
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    stopped = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set_result, None)
    async with await asyncio.start_server(serve, "0.0.0.0", port, backlog=1024):
        await stopped
        print("written " + json.dumps(written), flush=True)


asyncio.run(main())
