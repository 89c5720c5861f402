"""A path of a given length and badness: forwards TCP over IPv4 between two devices, late and not always.

    relay.py PATHS DEVICE:MAC DEVICE:MAC

The first device leads to the clients, the second to the server; MAC is that of the host behind it. PATHS
is JSON: {server port: {"delay": seconds each way, "up": [...], "down": [...]}}, where the lists name the
packets with payload that are lost, counted from 0 in each connection and direction.

On SIGTERM it writes a line of JSON a connection: what it saw come in, before any loss.
"""

import heapq
import json
import socket
import struct
import sys
import time

from between import Between

SYN = 0x02


class Connection:
    def __init__(self, now):
        self.start = now
        self.packets = [0, 0]
        self.octets = [0, 0]
        self.newest = [None, None]
        self.last = [now, now]
        self.syns = 0

    def note(self, direction, seq, octets, now):
        """Returns the number of this packet among those with payload of its direction."""
        number = self.packets[direction]
        self.packets[direction] += 1
        self.octets[direction] += octets
        newest = self.newest[direction]
        end = (seq + octets) & 0xFFFFFFFF
        if newest is None or 0 < ((end - newest) & 0xFFFFFFFF) < 1 << 31:
            self.newest[direction] = end
            self.last[direction] = now
        return number

    def report(self, client, client_port, server_port):
        return {
            "client": client,
            "clientPort": client_port,
            "serverPort": server_port,
            "syns": self.syns,
            "octets": self.octets,
            "seconds": [last - self.start for last in self.last],
        }


def main():
    paths = {int(port): path for port, path in json.loads(sys.argv[1]).items()}
    between = Between(sys.argv[2:4])
    connections = {}
    flying = []
    order = 0
    print("relaying", flush=True)

    def accept(side, packet, now):
        """Returns when the packet arrives, or None where it is lost or of no interest."""
        header = (packet[0] & 0xF) * 4
        if packet[9] != socket.IPPROTO_TCP:
            return None
        source, destination, seq = struct.unpack_from("!HHI", packet, header)
        total = struct.unpack_from("!H", packet, 2)[0]
        octets = total - header - (packet[header + 12] >> 4) * 4
        server_port = destination if side == 0 else source
        client_port = source if side == 0 else destination
        path = paths.get(server_port)
        if path is None:
            return None
        client = socket.inet_ntoa(packet[12:16] if side == 0 else packet[16:20])
        key = (client, client_port, server_port)
        connection = connections.get(key)
        if connection is None:
            connection = connections[key] = Connection(now)
        if side == 0 and packet[header + 13] & SYN:
            connection.syns += 1
        if octets > 0:
            number = connection.note(side, seq, octets, now)
            if number in path["up" if side == 0 else "down"]:
                return None
        return now + path["delay"]

    while not between.has_ended:
        wait = 0.05 if not flying else max(0.0, flying[0][0] - time.monotonic())
        for side, packet in between.take(min(wait, 0.05)):
            due = accept(side, packet, time.monotonic())
            if due is not None:
                heapq.heappush(flying, (due, order, 1 - side, packet))
                order += 1
        now = time.monotonic()
        while flying and flying[0][0] <= now:
            _, _, side, packet = heapq.heappop(flying)
            between.send(side, packet)
    for key, connection in connections.items():
        print(json.dumps(connection.report(*key)))
    sys.stdout.flush()


main()
