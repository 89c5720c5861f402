/** How much of a reply's packets the framers of a run's sessions have to see. */
import { FOLLOWED_PREFIX_BYTES, PREFIX_BYTES, WHOLE_PACKET_BYTES } from '../base/prefix-bytes.ts';
import { HTTP1_NAME } from '../protocol/registry.ts';
import { type ExchangeColumns, ExchangeMark } from './exchange-columns.ts';

/** Answers up to here lie in the prefix of one packet, also where they are somewhat longer than recorded. */
const SHORT_ANSWER_BYTES = FOLLOWED_PREFIX_BYTES / 2;

/**
 * Octets of payload that a packet is to be handed over with: as many as unread protocols get, where none
 * is followed; whole packets, where bodies are compared, modules read answers or sessions become WebSockets, or where a recorded
 * answer that is longer than a prefix says in its midst how it goes on. The body of an HTTP answer with a length says nothing.
 */
export function octetsNeeded(exchanges: ExchangeColumns, isReadByModules = false): number {
  const { protocols, marks, answerBytes, bodyDigests, pushed } = exchanges;
  // Any push may be long, or stand in a packet with others.
  if (pushed !== undefined) return WHOLE_PACKET_BYTES;
  if (bodyDigests !== undefined || isReadByModules) return WHOLE_PACKET_BYTES;
  const isLong = (exchange: number): boolean => answerBytes[exchange] > SHORT_ANSWER_BYTES;
  const isOtherThanHttp = protocols.some((each) => each !== HTTP1_NAME);
  const isRead = isOtherThanHttp
    ? (mark: number): boolean => (mark & ExchangeMark.FOLLOWED) !== 0
    : (mark: number): boolean => (mark & ExchangeMark.CHUNKED) !== 0;
  if (marks.some((mark, exchange) => isRead(mark) && isLong(exchange))) return WHOLE_PACKET_BYTES;
  return protocols.length > 0 ? FOLLOWED_PREFIX_BYTES : PREFIX_BYTES;
}
