"""The least that answering each packet costs a program here: every one that comes in over TCP for a port has a frame sent.

    least-answerer.py DEVICE PORT

It waits at most 20 ms, takes what has come, looks at the headers, and sends as many frames of an answer's length, which
are of a protocol that nobody knows (an EtherType for experiments, IEEE 802). It says `ready`, and runs until it is ended.
"""

import select
import socket
import struct
import sys

ETH_P_IP = 0x0800
ETH_P_EXPERIMENT = 0x88B5
ANSWER_BYTES = 66


def main():
    device, port = sys.argv[1], int(sys.argv[2])
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    packets.bind((device, ETH_P_IP))
    packets.setblocking(False)
    print("ready", flush=True)
    while True:
        select.select([packets], [], [], 0.02)
        for _ in range(256):
            try:
                frame, address = packets.recvfrom(2048)
            except BlockingIOError:
                break
            if address[2] == socket.PACKET_OUTGOING or frame[23] != socket.IPPROTO_TCP:
                continue
            source, _, seq, ack = struct.unpack_from("!HHII", frame, 14 + (frame[14] & 0xF) * 4)
            if source != port:
                continue
            answer = bytearray(ANSWER_BYTES)
            answer[0:6], answer[6:12] = frame[6:12], frame[0:6]
            struct.pack_into("!HII", answer, 12, ETH_P_EXPERIMENT, ack, seq)
            packets.send(answer)


main()
