/** Rows of `gryphon replay` about what sessions speak. */
import { parseFraming, parseProtocol } from '../values/protocols.ts';
import { list } from './option.ts';

/** The heading that they stand under. */
export const LOAD = 'Who plays what';

/** What sessions speak, where that is not left to what the capture shows. */
export const PROTOCOL_ROWS = {
  protocol: list(
    { form: 'PORT=NAME', parse: parseProtocol, example: '8080=http' },
    {
      group: LOAD,
      help: 'What sessions to a recorded port speak: http, redis, mysql, …, none',
      more: 'what sessions to this recorded port speak, where the capture does not show it: `http`, `redis`, `mysql`, `postgresql`, `smtp`, `ftp`, `pop3`, `imap`, `memcached`, `memcached-binary`, `mqtt`; `none`: nothing of it is read',
      otherwise: 'as recognised',
    },
  ),
  framing: list(
    { form: '[PORT=]FRAMING', parse: parseFraming, example: '7000=line' },
    {
      group: LOAD,
      help: 'How messages are told apart: length:offset=0,bytes=4,endian=big,add=4, line, none',
      more: 'how messages are told apart in sessions to this recorded port; without one in all whose protocol is not recognised: `line`, `none`, or `length:offset=0,bytes=4,endian=big,add=4` (bytes before the length, of it, their order, and how much longer than it a message is). Each message of the client is a request, each of the server an answer',
      otherwise: 'none',
    },
  ),
};
