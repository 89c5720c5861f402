"""Uploads and downloads over the kernel's own TCP.

    transfer.py serve ADDRESS PORT,PORT,…
    transfer.py fetch ADDRESS PORT:U12345,PORT:D12345,…

A client says `U` or `D` and eight digits. After `U` it sends so many octets and the server answers `ok`;
after `D` the server sends them. The client closes first. `fetch` makes all its transfers at once.
"""

import asyncio
import os
import socket
import sys

HEAD_BYTES = 9
# Linux' own default, whatever this machine's is.
CONGESTION_CONTROL = os.environ.get("CONGESTION_CONTROL", "cubic").encode()


def usual(writer):
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION_CONTROL)


async def serve_one(reader, writer):
    usual(writer)
    try:
        head = (await reader.readexactly(HEAD_BYTES)).decode()
        octets = int(head[1:])
        if head[0] == "U":
            await reader.readexactly(octets)
            writer.write(b"ok")
        else:
            writer.write(b"d" * octets)
        await writer.drain()
        await reader.read()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def serve(address, ports):
    # A request to read is not to hold an upload back: the largest is taken whole.
    servers = [await asyncio.start_server(serve_one, address, int(port), limit=1 << 24) for port in ports]
    print("serving", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def fetch_one(address, transfer):
    port, what = transfer.split(":")
    octets = int(what[1:])
    reader, writer = await asyncio.open_connection(address, int(port), limit=1 << 24)
    usual(writer)
    head = f"{what[0]}{octets:08d}".encode()
    if what[0] == "U":
        writer.write(head + b"u" * octets)
        await reader.readexactly(2)
    else:
        writer.write(head)
        await reader.readexactly(octets)
    writer.close()
    await writer.wait_closed()


async def fetch(address, transfers):
    await asyncio.gather(*(fetch_one(address, transfer) for transfer in transfers))


def main():
    verb, address, rest = sys.argv[1:4]
    asyncio.run((serve if verb == "serve" else fetch)(address, rest.split(",")))


main()
