"""A WebSocket server that says each message again with another length, and pushes in between: websocket.py PORT.

On SIGTERM it prints what it has done. As a client, `websocket.py URL CONNECTIONS MESSAGES`, it asks so much.
"""

import asyncio
import json
import random
import signal
import sys

import websockets

chance = random.Random(1)
done = {"connections": 0, "echoed": 0, "pushed": 0}


async def push(socket):
    number = 0
    while True:
        await asyncio.sleep(chance.uniform(0.005, 0.03) if number == 0 else chance.uniform(0.02, 0.08))
        number += 1
        await socket.send("tick %d %s" % (number, "." * chance.randint(0, 40)))
        done["pushed"] += 1


async def serve(socket):
    done["connections"] += 1
    pusher = asyncio.create_task(push(socket))
    try:
        async for message in socket:
            await asyncio.sleep(chance.uniform(0, 0.01))
            await socket.send("echo of %s %s" % (message, "x" * chance.choice([0, 9, 200, 2500])))
            done["echoed"] += 1
    except websockets.ConnectionClosed:
        pass
    finally:
        pusher.cancel()


async def be_server(port):
    stopped = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set_result, None)
    # Pings of its own come every 40 ms, and nobody has to answer them.
    options = {"compression": None, "ping_interval": 0.04, "ping_timeout": None, "backlog": 1024}
    async with websockets.serve(serve, "0.0.0.0", port, **options):
        await stopped
        print("done " + json.dumps(done), flush=True)


async def ask(url, messages):
    async with websockets.connect(url, compression=None, ping_interval=None) as socket:
        for number in range(messages):
            await asyncio.sleep(0.01)
            text = "message %d %s" % (number, "y" * chance.randint(0, 200))
            await socket.send(text)
            while not (await socket.recv()).startswith("echo of " + text):
                pass


async def be_client(url, connections, messages):
    await asyncio.gather(*(ask(url, messages) for _ in range(connections)))


if len(sys.argv) == 2:
    asyncio.run(be_server(int(sys.argv[1])))
else:
    asyncio.run(be_client(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
