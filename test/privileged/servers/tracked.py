"""
Fills the network namespace's table of tracked connections (tracked.py fill), or takes out so many of the entries
that it was filled with (tracked.py free COUNT).

They are as of connections that both ends have spoken on, which the kernel does not drop for new ones; by messages of
ctnetlink (linux/netfilter/nfnetlink_conntrack.h), since they are hundreds of thousands. Prints how many there are.
"""
import socket
import struct
import sys

SETTINGS = '/proc/sys/net/netfilter/nf_conntrack_'
NETLINK_NETFILTER, CT_NEW, CT_DELETE = 12, 1 << 8, 1 << 8 | 2
REQUEST, ACK, EXCL, CREATE = 0x1, 0x4, 0x200, 0x400
ORIG, REPLY, STATUS, TIMEOUT, NESTED = 1, 2, 3, 7, 0x8000
SEEN_REPLY, ASSURED, CONFIRMED = 2, 4, 8
AT_ONCE = 100


def setting(name):
    with open(SETTINGS + name) as file:
        return int(file.read())


def attribute(kind, body):
    return struct.pack('=HH', 4 + len(body), kind) + body + b'\0' * (-len(body) % 4)


def nested(kind, *parts):
    return attribute(kind | NESTED, b''.join(parts))


def ends(kind, source, destination, ports):
    udp = [attribute(1, bytes([socket.IPPROTO_UDP]))]
    udp += [attribute(2 + i, struct.pack('!H', port)) for i, port in enumerate(ports)]
    return nested(kind, nested(1, attribute(1, source), attribute(2, destination)), nested(2, *udp))


REST = attribute(STATUS, struct.pack('!I', SEEN_REPLY | ASSURED | CONFIRMED))
REST += attribute(TIMEOUT, struct.pack('!I', 600))


def message(kind, flags, number, more=b''):
    here, there = b'\x7f\0\0\1', struct.pack('!I', 0x7f010000 + number)
    body = struct.pack('=BBH', socket.AF_INET, 0, 0)
    body += ends(ORIG, there, here, (1, 9)) + ends(REPLY, here, there, (9, 1)) + more
    return struct.pack('=IHHII', 16 + len(body), kind, REQUEST | ACK | flags, number, 0) + body


def said_yes(messages):
    """Sends messages. Returns how many of them the kernel did as it was told."""
    kernel.send(b''.join(messages))
    answers = yes = 0
    while answers < len(messages):
        data, at = kernel.recv(1 << 16), 0
        while at < len(data):
            size, = struct.unpack_from('=I', data, at)
            yes += struct.unpack_from('=i', data, at + 16)[0] == 0
            answers += 1
            at += size + 3 & ~3
    return yes


def fill():
    made, most, is_full = 0, setting('max'), False
    while not is_full:
        some = min(AT_ONCE, most - setting('count'))
        if some <= 0:
            break
        numbers = range(made, made + some)
        is_full = said_yes([message(CT_NEW, EXCL | CREATE, i, REST) for i in numbers]) < some
        made += some


kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
if sys.argv[1] == 'fill':
    fill()
else:
    count = int(sys.argv[2])
    if said_yes([message(CT_DELETE, 0, i) for i in range(count)]) < count:
        sys.exit('the entries are not there')
print(setting('count'))
