"""A path on which packets overtake each other, and some are lost: forwards IPv4 between two devices.

    reorder.py EVERY PASSED LOST DEVICE:MAC DEVICE:MAC

Of all TCP packets the share LOST is lost. Of the packets with payload of a connection and direction each EVERY-th is
held back until PASSED later ones have gone before it, or none has come for 20 ms. MAC is that of the host behind the
device. On SIGTERM it writes how many packets were overtaken, from the first device on and to it.
"""

import json
import random
import socket
import struct
import sys
import time

from between import Between

HELD_SECONDS = 0.02


class Flow:
    def __init__(self):
        self.packets = 0
        self.held = None
        self.passed = 0
        self.until = 0.0


def main():
    every, most, lost = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    between = Between(sys.argv[4:6])
    flows = {}
    holding = {}
    overtaken = [0, 0]
    chance = random.Random(1)
    print("forwarding", flush=True)

    def send(side, packet):
        between.send(1 - side, packet)

    def release(side, key, flow):
        if flow.passed > 0:
            overtaken[side] += 1
        send(side, flow.held)
        flow.held = None
        del holding[key]

    def forward(side, packet, now):
        header = (packet[0] & 0xF) * 4
        total = struct.unpack_from("!H", packet, 2)[0]
        is_tcp = packet[9] == socket.IPPROTO_TCP
        if is_tcp and chance.random() < lost:
            return
        if not is_tcp or total == header + (packet[header + 12] >> 4) * 4:
            send(side, packet)
            return
        key = (side, packet[12:20], packet[header : header + 4])
        flow = flows.setdefault(key, Flow())
        flow.packets += 1
        if flow.held is None and flow.packets % every == 0:
            flow.held, flow.passed, flow.until = packet, 0, now + HELD_SECONDS
            holding[key] = flow
            return
        send(side, packet)
        if flow.held is not None:
            flow.passed += 1
            if flow.passed >= most:
                release(side, key, flow)

    while not between.has_ended:
        for side, packet in between.take(0.005 if holding else 0.05):
            forward(side, packet, time.monotonic())
        now = time.monotonic()
        for key, flow in list(holding.items()):
            if flow.until <= now:
                release(key[0], key, flow)
    print("overtaken " + json.dumps(overtaken), flush=True)


main()
