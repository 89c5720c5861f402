"""A path on which packets overtake each other, and some are lost: forwards IPv4 between two devices.

    reorder.py EVERY PASSED LOST DEVICE:MAC DEVICE:MAC

Of each connection and direction the first or the second packet that can be cut is held back, by turns, and each
EVERY-th after it, until PASSED later ones have gone before it, or 20 ms are over. If none has gone by then, since the
other end waits for it, it is cut in two, and its later part goes first: whatever was held back was overtaken. A repeat
of it meanwhile is held back in its place. Of all other TCP packets the share LOST is lost. MAC is that of the host
behind the device. On SIGTERM it writes how many packets were overtaken, from the first device on and to it.
"""

import json
import random
import socket
import struct
import sys
import time

from between import Between

HELD_SECONDS = 0.02
FIN, SYN, RST, PSH, URG = 0x01, 0x02, 0x04, 0x08, 0x20


class Flow:
    def __init__(self, due):
        self.packets = 0
        self.due = due
        self.end = None
        self.held = None
        self.passed = 0
        self.until = 0.0


class Segment:
    """A packet's octets: where they begin and end, in the packet and in the stream."""

    def __init__(self, packet):
        self.packet = packet
        self.tcp = (packet[0] & 0xF) * 4
        self.payload = self.tcp + (packet[self.tcp + 12] >> 4) * 4
        self.octets = struct.unpack_from("!H", packet, 2)[0] - self.payload
        self.flags = packet[self.tcp + 13]
        self.seq = struct.unpack_from("!I", packet, self.tcp + 4)[0]
        self.end = self.seq + self.octets & 0xFFFFFFFF

    def can_be_cut(self):
        return self.octets >= 2 and not self.flags & (SYN | RST | URG)

    def part(self, begin, end):
        """A packet with the octets from `begin` up to `end`; what flags say of the end goes with the last ones."""
        flags = self.flags if end == self.octets else self.flags & ~(FIN | PSH)
        octets = self.packet[self.payload + begin : self.payload + end]
        packet = bytearray(self.packet[: self.payload] + octets)
        struct.pack_into("!H", packet, 2, len(packet))
        struct.pack_into("!I", packet, self.tcp + 4, self.seq + begin & 0xFFFFFFFF)
        packet[self.tcp + 13] = flags
        packet[10:12] = packet[self.tcp + 16 : self.tcp + 18] = b"\0\0"
        struct.pack_into("!H", packet, 10, checksum(packet[: self.tcp]))
        pseudo = packet[12:20] + struct.pack("!HH", socket.IPPROTO_TCP, len(packet) - self.tcp)
        struct.pack_into("!H", packet, self.tcp + 16, checksum(pseudo + packet[self.tcp :]))
        return bytes(packet)


def checksum(octets):
    """RFC 1071."""
    octets = octets + bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def is_at_or_behind(seq, other):
    return seq - other & 0x80000000 == 0


def main():
    every, most, lost = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    between = Between(sys.argv[4:6])
    flows = ({}, {})
    holding = {}
    overtaken = [0, 0]
    chance = random.Random(1)
    print("forwarding", flush=True)

    def send(side, packet):
        between.send(1 - side, packet)

    def release(side, key, flow):
        held = flow.held
        flow.held = None
        del holding[side, key]
        overtaken[side] += 1
        if flow.passed > 0:
            send(side, held.packet)
            return
        middle = held.octets // 2
        send(side, held.part(middle, held.octets))
        send(side, held.part(0, middle))

    def is_held(side, key, flow, segment, now):
        """Whether it is held back from now on, or is what is held back already."""
        if flow.held is not None:
            later = is_at_or_behind(segment.seq, flow.held.end)
            if later or is_at_or_behind(flow.held.seq, segment.end):
                return False
            if segment.octets > flow.held.octets:
                flow.held = segment
            return True
        is_new = flow.end is None or is_at_or_behind(segment.seq, flow.end)
        if not is_new or not segment.can_be_cut():
            return False
        flow.packets += 1
        if flow.packets < flow.due:
            return False
        flow.due = flow.packets + every
        flow.held, flow.passed, flow.until = segment, 0, now + HELD_SECONDS
        holding[side, key] = flow
        return True

    def forward(side, packet, now):
        if packet[9] != socket.IPPROTO_TCP:
            send(side, packet)
            return
        segment = Segment(packet)
        key = packet[12:20] + packet[segment.tcp : segment.tcp + 4]
        flow = None
        if segment.flags & SYN:
            flows[side].pop(key, None)
        if segment.octets > 0:
            flow = flows[side].get(key)
            if flow is None:
                flow = flows[side][key] = Flow(1 + len(flows[side]) % 2)
            held = is_held(side, key, flow, segment, now)
            if flow.end is None or is_at_or_behind(segment.end, flow.end):
                flow.end = segment.end
            if held:
                return
        if chance.random() < lost:
            return
        send(side, packet)
        if flow is not None and flow.held is not None and is_at_or_behind(segment.seq, flow.held.end):
            flow.passed += 1
            if flow.passed >= most:
                release(side, key, flow)

    while not between.has_ended:
        for side, packet in between.take(0.005 if holding else 0.05):
            forward(side, packet, time.monotonic())
        now = time.monotonic()
        for (side, key), flow in list(holding.items()):
            if flow.until <= now:
                release(side, key, flow)
    print("overtaken " + json.dumps(overtaken), flush=True)


main()
