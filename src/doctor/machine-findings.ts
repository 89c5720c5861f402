/** What is wrong on one machine, from its own facts. */
import { kernelClockFindings } from './clock-findings.ts';
import type { Finding, Heard, MachineFacts, Question } from './observations.ts';

/** Fuller than this a table of the kernel's is a fault to come. */
const NEARLY_FULL = 0.9;

const good = (what: string, text: string): Finding => ({ state: 'good', what, text, mend: null });
const bad = (what: string, text: string, mend: string | null): Finding => ({
  state: 'bad',
  what,
  text,
  mend,
});
const unknown = (what: string, text: string, mend: string | null = null): Finding => ({
  state: 'unknown',
  what,
  text,
  mend,
});

/** What the load machine knows beside. */
interface Known {
  /** Its addresses; null: they are not known. */
  readonly loadAddresses: readonly string[] | null;
  /** No answer came back to it. */
  readonly isSilent: boolean;
  /** Its probe was answered. */
  readonly isAnswered: boolean;
}

/** In the order in which a segment meets them. */
export function machineFindings(
  facts: MachineFacts,
  question: Question,
  known: Known = { loadAddresses: null, isSilent: false, isAnswered: false },
): Finding[] {
  const { place } = facts;
  return [
    ...(place === 'target' ? [listeningFinding(facts, question)] : []),
    ...arrivalFindings(facts, question),
    ...(place === 'target' ? wayBackFindings(facts, question, known) : []),
    ...(place === 'target' ? strictFindings(facts, question) : []),
    ...(place === 'target' || question.isOwn ? [] : [forwardingFinding(facts, question)]),
    tableFinding(facts.conntrack, CONNTRACK),
    ...(place === 'target' && facts.neighbours !== null
      ? [tableFinding(facts.neighbours, neighboursOf(question.client.includes(':') ? 6 : 4))]
      : []),
    ...offloadFindings(facts),
    ...kernelClockFindings(facts),
    firewallFinding(facts, known),
  ];
}

function listeningFinding({ listening }: MachineFacts, { port }: Question): Finding {
  const what = 'server';
  if (listening === 'everybody') return good(what, `listens on port ${port}`);
  if (listening === 'loopback') {
    const text = `listens on port ${port} of the loopback interface alone`;
    return bad(what, text, 'let it listen on 0.0.0.0 (or ::)');
  }
  return bad(what, `nothing listens on port ${port}`, `start it; ss -ltn 'sport = :${port}'`);
}

const sumOf = (heard: readonly Heard[], of: (one: Heard) => number): number =>
  heard.reduce((sum, one) => sum + of(one), 0);

function arrivalFindings({ heard, place }: MachineFacts, question: Question): Finding[] {
  const what = 'seen here';
  if (heard === null || place === 'load') return [];
  const syns = heard.filter(({ syn }) => syn.in > 0);
  const answersOut = sumOf(heard, ({ synAck }) => synAck.out);
  const answersIn = sumOf(heard, ({ synAck }) => synAck.in);
  if (place === 'intercept') {
    return answersIn > 0
      ? [good(what, `${answersIn} answers to ${question.client} came`)]
      : [
          unknown(
            what,
            `no answer to ${question.client} came while it was listened`,
            'run gryphon doctor on the load machine meanwhile; on the target: ip route get ' +
              question.client,
          ),
        ];
  }
  if (syns.length === 0) {
    return [
      unknown(
        what,
        `no SYN from ${question.clients} came while it was listened`,
        'run gryphon doctor on the load machine meanwhile; if it did: they are lost on the way here ' +
          '(anti-spoofing of a switch or cloud, a wrong next hop)',
      ),
    ];
  }
  const where = syns.map(({ interfaceName }) => interfaceName).join(', ');
  if (answersOut > 0) return [good(what, `SYNs came by ${where}, and were answered`)];
  return [
    bad(
      what,
      `SYNs from ${question.clients} came by ${where}, and were not answered: this machine drops them`,
      'what is not in order below (rp_filter, firewall, route) does it; nstat -az TcpExtListenDrops IpExtInNoRoutes TcpExtTCPReqQFullDrop',
    ),
  ];
}

function wayBackFindings(
  { wayBack, heard }: MachineFacts,
  { client, clients, intercept, isOwn }: Question,
  { loadAddresses, isSilent }: Known,
): Finding[] {
  const what = 'way back';
  const ip = client.includes(':') ? 'ip -6' : 'ip';
  const via =
    intercept === null ? (loadAddresses?.at(0) ?? 'LOAD_MACHINE') : intercept.replace(/:\d+$/, '');
  const mend = clients
    .split(',')
    .map((pool) => `${ip} route replace ${pool} via ${via}`)
    .join('; ');
  if (wayBack === null) return [bad(what, `there is no route to ${client}`, mend)];
  if (wayBack.isOwn) {
    return [bad(what, `${client} is an address of this machine itself`, 'choose other --clients')];
  }
  const isDirect = wayBack.via === client;
  const text = `answers to ${client} leave by ${wayBack.interfaceName} ${isDirect ? '(on the link)' : `to ${wayBack.via}`}`;
  const isHeard = heard === null || heard.every(({ synAck }) => synAck.out === 0);
  if (loadAddresses !== null && intercept === null && !isDirect && !isOwn) {
    return loadAddresses.includes(wayBack.via)
      ? [good(what, `${text}, the load machine`)]
      : [
          (isSilent ? bad : unknown)(
            what,
            `${text}, which is not the load machine (${loadAddresses.join(', ')}): right only if it is a router that leads there`,
            mend,
          ),
        ];
  }
  return [
    isHeard && !isOwn
      ? unknown(what, `${text}: is that where gryphon listens?`, mend)
      : good(what, text),
  ];
}

function strictFindings(
  { strictInterfaces, wayBack, heard }: MachineFacts,
  { client }: Question,
): Finding[] {
  const what = 'rp_filter';
  if (client.includes(':')) return [];
  const came =
    heard?.filter(({ syn }) => syn.in > 0).map(({ interfaceName }) => interfaceName) ?? [];
  const suspects = strictInterfaces.filter(
    (name) => name !== wayBack?.interfaceName && (came.length === 0 || came.includes(name)),
  );
  if (suspects.length === 0) return [good(what, 'lets the clients in')];
  const isCertain = came.some((name) => suspects.includes(name));
  const names = suspects.join(', ');
  const mend = `sysctl -w net.ipv4.conf.all.rp_filter=2 ${suspects.map((name) => `net.ipv4.conf.${name.replaceAll('.', '/')}.rp_filter=2`).join(' ')}`;
  const text = `is strict (1) on ${names}, by which answers to ${client} do not leave: SYNs that come there are dropped`;
  return [isCertain || wayBack === null ? bad(what, text, mend) : unknown(what, text, mend)];
}

function forwardingFinding({ forwards, place }: MachineFacts, { client }: Question): Finding {
  const what = 'forwarding';
  if (!forwards) return good(what, 'is off: answers to clients end here');
  const family = client.includes(':') ? 'ipv6.conf.all.forwarding' : 'ipv4.ip_forward';
  return bad(
    what,
    `is on: ${place === 'load' ? 'this machine' : 'the auxiliary machine'} sends answers to ${client} on by its own routes, and whoever gets them resets the connections`,
    `sysctl -w net.${family}=0`,
  );
}

interface Table {
  readonly what: string;
  readonly entries: string;
  readonly mend: (max: number) => string;
}
const CONNTRACK: Table = {
  what: 'conntrack',
  entries: 'tracked connections',
  mend: (max) =>
    `sysctl -w net.netfilter.nf_conntrack_max=${max * 4} (of a container: on its host)`,
};
/** The kernel's own limits cannot be set within a container: its host has them. */
const neighboursOf = (family: 4 | 6): Table => ({
  what: 'neighbours',
  entries: 'neighbours',
  mend: (max) => {
    const setting = `net.ipv${family}.neigh.default.gc_thresh`;
    return `sysctl -w ${setting}3=${max * 4} ${setting}2=${max * 2} (of a container: on its host); or a route for the clients by way of the load machine, or fewer of them`;
  },
});

/**
 * A table of tracked connections without room, or with hardly any: entries come and go. The kernel lets nothing new
 * out through its netfilter then.
 * @returns null where there is room
 */
export function fullTracking(
  table: MachineFacts['conntrack'],
): { readonly what: string; readonly mend: string } | null {
  if (table === null || table.count <= table.max * NEARLY_FULL) return null;
  const { count, max } = table;
  const what = `its table of ${CONNTRACK.entries} is full (conntrack: ${count} of ${max})`;
  return { what, mend: CONNTRACK.mend(max) };
}

function tableFinding(
  table: { readonly count: number; readonly max: number } | null,
  { what, entries, mend }: Table,
): Finding {
  if (table === null) return good(what, `no table of ${entries} here that could be full`);
  const { count, max } = table;
  const text = `${count} of ${max} ${entries}`;
  if (count >= max) return bad(what, `${text}: the table is full`, mend(max));
  return count > max * NEARLY_FULL
    ? bad(what, `${text}: the table is nearly full`, mend(max))
    : good(what, text);
}

/** What is joined matters where answers are heard. What is sent (TSO) does not: frames are built here. */
function offloadFindings({ offloads, place }: MachineFacts): Finding[] {
  const what = 'offload';
  if (offloads === undefined || place === 'target') return [];
  if (offloads === null) {
    const text = 'whether packets are joined as they come (GRO, LRO) cannot be read';
    return [unknown(what, text, 'ethtool -k INTERFACE')];
  }
  const having = (which: 'gro' | 'lro'): readonly string[] =>
    offloads.filter((each) => each[which]).map(({ interfaceName }) => interfaceName);
  const [gro, lro] = [having('gro'), having('lro')];
  if (lro.length > 0) {
    const text = `LRO is on (${lro.join(', ')}): the card joins answers, so that many come at the time of one`;
    return [bad(what, text, lro.map((name) => `ethtool -K ${name} lro off`).join('; '))];
  }
  const sent = 'TSO does not matter, frames are built here';
  if (gro.length === 0)
    return [good(what, `packets come one by one (GRO and LRO are off); ${sent}`)];
  const text =
    `GRO is on (${gro.join(', ')}): packets of an answer that come together bear one time; ` +
    `ethtool -K ${gro[0]} gro off parts them; ${sent}`;
  return [good(what, text)];
}

/** Rules that are told at most. */
const RULES_TOLD = 3;

function firewallFinding({ firewall, place, heard }: MachineFacts, known: Known): Finding {
  const what = 'firewall';
  if (firewall === null) {
    return unknown(what, 'its rules cannot be read', 'as root: nft list ruleset, or iptables -S');
  }
  if (firewall.length === 0) return good(what, 'has no rule that drops the clients');
  const told = firewall.slice(0, RULES_TOLD).join(' | ');
  const more = firewall.length > RULES_TOLD ? ` | and ${firewall.length - RULES_TOLD} more` : '';
  const rules = `${told}${more}`;
  // Most firewalls drop by default what no rule before has let in.
  const answers = place === 'target' ? sumOf(heard ?? [], ({ synAck }) => synAck.out) : 0;
  const letsPass = known.isAnswered || answers > 0;
  if (letsPass) return good(what, `lets the clients through, whatever else it drops: ${rules}`);
  const text = `may drop or reject the clients: ${rules}`;
  const mend = 'put a rule before them that accepts the clients';
  // Packet sockets see packets before the rules, and send past them.
  return place === 'target' ? bad(what, text, mend) : unknown(what, text, mend);
}
