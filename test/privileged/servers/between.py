"""For programs that are a path themselves: IPv4 packets from one of two devices to the other."""

import select
import signal
import socket

ETH_P_IP = 0x0800
PACKET_HOST = 0
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
BUFFER_BYTES = 64 << 20
PACKETS_A_TURN = 64


class Between:
    """Sides are 0 and 1; `has_ended` from SIGTERM on."""

    def __init__(self, sides):
        """Of each side DEVICE:MAC, the MAC being that of the host behind the device."""
        named = [side.split(":", 1) for side in sides]
        self.devices = [open_device(name) for name, _ in named]
        self.ways_out = [
            (name, ETH_P_IP, 0, 0, bytes.fromhex(mac.replace(":", ""))) for name, mac in named
        ]
        self.has_ended = False
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_):
        self.has_ended = True

    def take(self, seconds):
        """Waits so long at most, and yields what comes for this machine, each with its side."""
        ready, _, _ = select.select(self.devices, [], [], seconds)
        for device in ready:
            side = self.devices.index(device)
            for _ in range(PACKETS_A_TURN):
                try:
                    packet, address = device.recvfrom(65535)
                except BlockingIOError:
                    break
                if address[2] == PACKET_HOST:
                    yield side, packet

    def send(self, side, packet):
        """Sends a packet out of that side."""
        self.devices[side].sendto(packet, self.ways_out[side])


def open_device(name):
    device = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    device.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    device.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
    device.bind((name, ETH_P_IP))
    device.setblocking(False)
    return device
