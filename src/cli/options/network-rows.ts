/** The options of `gryphon replay` that say how frames get to real servers and back. */
import { SENDERS } from '../choices.ts';
import { INTERCEPT_PORT, parseIntercept } from '../values/endpoints.ts';
import { parseWakeupNs } from '../values/numbers.ts';
import { parseInterfaceName, parseNextHop, parseStation } from '../values/stations.ts';
import { tokenFile } from './common-rows.ts';
import { oneOf, whole } from './kinds.ts';
import { list, onOff, value } from './option.ts';

const NETWORK = 'Network';

/** Where frames leave, how, and who picks replies up. */
export const NETWORK_ROWS = {
  interface: value(
    { form: 'DEV', parse: parseInterfaceName, example: 'eth1' },
    {
      group: NETWORK,
      letter: 'o',
      help: 'on which frames leave',
      otherwise: 'from the routing table',
      only: 'network',
    },
  ),
  nextHop: value(
    { form: 'MAC|IP', parse: parseNextHop, example: '10.20.0.1' },
    {
      group: NETWORK,
      help: 'that frames go to',
      otherwise: 'from the routing table',
      only: 'network',
    },
  ),
  sourceMac: value(
    { form: 'MAC', parse: parseStation, example: '02:00:00:00:00:01' },
    {
      group: NETWORK,
      help: 'that frames come from',
      otherwise: 'of the interface',
      only: 'network',
    },
  ),
  sender: value(oneOf(SENDERS), {
    group: NETWORK,
    help: 'How frames leave',
    more: 'how frames leave: AF_PACKET, past local netfilter and routing; [AF_XDP](targets.md#af_xdp), past `tc` and tcpdump as well; an IP raw socket, through all of it; or the [npm package](limits.md#raw-socket-and-pcap-parser)',
    default: 'packet',
    only: 'network',
  }),
  wakeup: value(
    { form: 'T', parse: parseWakeupNs, example: '50us' },
    {
      group: NETWORK,
      help: 'for which replies may lie until more have come: less CPU, later requests',
      more: 'for which replies may lie until more of them have come, at most 1ms: [less CPU a request](targets.md#fewer-wake-ups), and the next request leaves later by as much; `0`: not at all',
      default: '0',
      only: 'network',
    },
  ),
  intercept: list(
    {
      form: 'HOST[:PORT]',
      parse: parseIntercept,
      example: '10.0.0.9',
      choices: ['local'],
      isOpen: true,
    },
    {
      group: NETWORK,
      letter: 's',
      form: 'HOST[:PORT],…',
      help: 'Intercepts that pick replies up, or "local": this machine does',
      more: '[intercepts](intercept.md) that pick replies up, all registered for the whole pool; `local` is this machine',
      otherwise: 'local',
    },
  ),
  interceptPort: value(whole({ min: 1, max: 65_535 }), {
    group: NETWORK,
    letter: 'p',
    help: 'of intercepts that are named without a port',
    default: String(INTERCEPT_PORT),
  }),
  tokenFile: tokenFile(
    NETWORK,
    "with the intercepts' secret; or `GRYPHON_TOKEN` in the environment",
  ),
  arp: onOff({
    group: NETWORK,
    help: 'Answer ARP and NDP for the clients, or not: --no-arp',
    more: 'answer ARP and NDP for the clients whoever asks; `--no-arp`: nobody',
    otherwise: 'when they are on the link',
    only: 'network',
  }),
  firewallRules: onOff({
    group: NETWORK,
    offAlias: 'no-rules',
    help: 'Make the firewall rule that own clients need, or print it: --no-firewall-rules',
    more: 'make the firewall rule that own clients need, and remove it at the end; `--no-firewall-rules` (`--no-rules` for short): print it',
    default: 'on',
    only: 'network',
  }),
  allowPublic: onOff({
    group: NETWORK,
    help: 'Allow a target with a public address',
  }),
};
