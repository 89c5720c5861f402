/** What was recognised in recorded sessions, as sentences. */
import { formatCount } from '../base/units.ts';
import type { HintReport } from './inspect-document.ts';

const OLDER_ENDS = 'of two users with the same one the server ends the older';
const YOUNGER_REFUSED = 'of two users with the same one the server refuses the younger';

/** What there is, and what becomes of users when it is played to a server, by the kind of the hint. */
const MEANINGS: ReadonlyMap<string, readonly [what: string, consequence: string]> = new Map([
  [
    'ftp-data',
    [
      'FTP data connections (PASV, PORT)',
      'nobody opens them again, so transfers fail, at once or when the server has waited',
    ],
  ],
  [
    'http-basic',
    ['HTTP log-ins (Basic)', 'all users log in so, unless rules say otherwise (basic)'],
  ],
  ['mqtt-client-id', ['MQTT client ids', OLDER_ENDS]],
  ['stomp-client-id', ['STOMP client ids', YOUNGER_REFUSED]],
  ['openwire-client-id', ['OpenWire client ids', YOUNGER_REFUSED]],
  ['amqp-exclusive-queue', ['exclusive AMQP queues', YOUNGER_REFUSED]],
]);

/** `3 sessions of 10.0.0.1:21 with FTP data connections (PASV, PORT): …`. */
export function hintText({
  kind,
  address,
  port,
  sessions,
  names,
}: Omit<HintReport, 'text'>): string {
  const server = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const [what, consequence] = MEANINGS.get(kind) ?? [kind, 'look at its documentation'];
  const who = sessions === 1 ? '1 session' : `${formatCount(sessions)} sessions`;
  const different = names === 0 ? '' : ` (${formatCount(names)} different)`;
  return `${who} of ${server} with ${what}${different}: ${consequence}`;
}
