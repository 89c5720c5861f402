"""A path of a given length and badness: forwards TCP over IPv4 between two devices, late and not always.

    relay.py PATHS DEVICE:MAC DEVICE:MAC

The first device leads to the clients, the second to the server; MAC is that of the host behind it. PATHS
is JSON: {server port: {"delay": seconds each way, "up": [...], "down": [...]}}, where the lists name the
packets with payload that are lost, counted from 0 in each connection and direction.

On SIGTERM it writes a line of JSON a connection: what it saw come in, before any loss.
"""

import heapq
import json
import select
import signal
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800
PACKET_HOST = 0
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
BUFFER_BYTES = 64 << 20
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


def open_device(name):
    device = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    device.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    device.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
    device.bind((name, ETH_P_IP))
    device.setblocking(False)
    return device


def main():
    paths = {int(port): path for port, path in json.loads(sys.argv[1]).items()}
    sides = [side.split(":", 1) for side in sys.argv[2:4]]
    devices = [open_device(name) for name, _ in sides]
    ways_out = [(name, ETH_P_IP, 0, 0, bytes.fromhex(mac.replace(":", ""))) for name, mac in sides]
    connections = {}
    flying = []
    order = 0
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
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

    while not ended:
        wait = 0.05 if not flying else max(0.0, flying[0][0] - time.monotonic())
        try:
            ready, _, _ = select.select(devices, [], [], min(wait, 0.05))
        except InterruptedError:
            continue
        for device in ready:
            side = devices.index(device)
            for _ in range(64):
                try:
                    packet, address = device.recvfrom(65535)
                except BlockingIOError:
                    break
                if address[2] != PACKET_HOST:
                    continue
                due = accept(side, packet, time.monotonic())
                if due is not None:
                    heapq.heappush(flying, (due, order, 1 - side, packet))
                    order += 1
        now = time.monotonic()
        while flying and flying[0][0] <= now:
            _, _, side, packet = heapq.heappop(flying)
            devices[side].sendto(packet, ways_out[side])
    for key, connection in connections.items():
        print(json.dumps(connection.report(*key)))
    sys.stdout.flush()


main()
