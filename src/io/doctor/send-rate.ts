/** How fast this machine takes packets from one thread, tried on its loopback interface. */
import { AF_PACKET, packetAddress, SOCK_RAW, Socket } from '../sys/socket.ts';
import { readInterfaces } from '../way/interfaces.ts';

const TEST_MS = 50;
const FRAMES_PER_TURN = 100;
const FRAME_BYTES = 78;
/** For experiments (IEEE 802, EtherType 0x88B5): no protocol of the kernel's takes it. */
const ETHER_TYPE_AT = 12;
const ETHER_TYPE = 0x88b5;

/**
 * Packets a second, sent one by one; null where there is no loopback interface that is up.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET (environment)
 */
export function measureSendRate(): number | null {
  const loopback = readInterfaces().find(({ linkType, isUp }) => linkType === 'loopback' && isUp);
  if (loopback === undefined) return null;
  const frame = new Uint8Array(FRAME_BYTES);
  new DataView(frame.buffer).setUint16(ETHER_TYPE_AT, ETHER_TYPE);
  const socket = new Socket(AF_PACKET, SOCK_RAW, 0);
  try {
    socket.bind(packetAddress(0, loopback.index));
    const startMs = performance.now();
    let sent = 0;
    let elapsedMs = 0;
    while (elapsedMs < TEST_MS) {
      for (let i = 0; i < FRAMES_PER_TURN; i++) if (socket.trySend(frame)) sent++;
      elapsedMs = performance.now() - startMs;
    }
    return Math.round((sent * 1_000) / elapsedMs);
  } finally {
    socket.close();
  }
}
