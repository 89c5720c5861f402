/** Recognises TLS by the first octets of either side's stream. */

/** Record header (RFC 8446, section 5.1): handshake, version 3.x; then the message's type. */
const HANDSHAKE = 0x1603;
const VERSION_MINOR_MAX = 4;
const PREFIX_BYTES = 6;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;

/** Whether `bytes` octets from `start` begin with a ClientHello or ServerHello. */
export function isTlsHello(data: DataView, start: number, bytes: number): boolean {
  if (bytes < PREFIX_BYTES || data.getUint16(start) !== HANDSHAKE) return false;
  const type = data.getUint8(start + 5);
  const isKnownVersion = data.getUint8(start + 2) <= VERSION_MINOR_MAX;
  return isKnownVersion && (type === CLIENT_HELLO || type === SERVER_HELLO);
}
