"""A server that resets: rude.py PORT WHEN, where WHEN is `accept` or the octets it reads first."""

import socket
import struct
import sys

port, when = int(sys.argv[1]), sys.argv[2]
LINGER_ZERO = struct.pack("ii", 1, 0)

listener = socket.create_server(("0.0.0.0", port), backlog=1024)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    wanted = 0 if when == "accept" else int(when)
    while wanted > 0:
        got = connection.recv(wanted)
        if not got:
            break
        wanted -= len(got)
    # Closing with a linger time of zero sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    connection.close()
