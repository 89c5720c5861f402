"""A WebSocket server that answers nobody before its pings are answered: websocket-pings.py PORT.

Each second it pings besides, and closes who does not answer. On SIGTERM it prints what it has seen. As a client,
`websocket-pings.py URL CONNECTIONS MESSAGES`, it asks so much.
"""

import asyncio
import json
import signal
import sys

import websockets

PONG = 10
# Seconds: far more than any answer takes, also beside others.
WAIT = 15

done = {"connections": 0, "echoed": 0, "pings": 0, "pongs": 0, "strays": 0, "dropped": 0}


class Counting(websockets.WebSocketServerProtocol):
    """Counts pongs: those that answer a ping, and all others."""

    async def read_frame(self, max_size):
        frame = await super().read_frame(max_size)
        if frame.opcode == PONG:
            done["pongs" if bytes(frame.data) in self.pings else "strays"] += 1
        return frame


async def answered_ping(socket):
    done["pings"] += 1
    try:
        await asyncio.wait_for(await socket.ping(), WAIT)
    except asyncio.TimeoutError:
        done["dropped"] += 1
        await socket.close(1011)
        raise


async def ping_on(socket):
    while True:
        await asyncio.sleep(1)
        await answered_ping(socket)


async def serve(socket):
    done["connections"] += 1
    pinger = asyncio.create_task(ping_on(socket))
    try:
        async for message in socket:
            await answered_ping(socket)
            await socket.send("echo of %s" % message)
            done["echoed"] += 1
    except (websockets.ConnectionClosed, asyncio.TimeoutError):
        pass
    finally:
        pinger.cancel()


async def be_server(port):
    stopped = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set_result, None)
    options = {"compression": None, "ping_interval": None, "backlog": 1024}
    async with websockets.serve(serve, "0.0.0.0", port, create_protocol=Counting, **options):
        await stopped
        print("done " + json.dumps(done), flush=True)


async def ask(url, messages):
    async with websockets.connect(url, compression=None, ping_interval=None) as socket:
        for number in range(messages):
            await asyncio.sleep(0.01)
            await socket.send("message %d" % number)
            await socket.recv()
        # Long enough for a ping that comes by itself.
        await asyncio.sleep(1.1)
        await socket.send("goodbye")
        await socket.recv()


async def be_client(url, connections, messages):
    await asyncio.gather(*(ask(url, messages) for _ in range(connections)))


if len(sys.argv) == 2:
    asyncio.run(be_server(int(sys.argv[1])))
else:
    asyncio.run(be_client(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
