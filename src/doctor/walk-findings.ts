/** What is wrong on the way to a target and back, from what the load machine has seen. */
import { parseAddress } from '../base/address.ts';
import { formatCount } from '../base/units.ts';
import { TCP_IP_HEADER_BYTES } from '../wire/header-bytes.ts';
import { channelClockFindings } from './clock-findings.ts';
import { machineFindings } from './machine-findings.ts';
import type { Finding, Heard, MachineFacts, Question, Tried, Walk } from './observations.ts';

const PLACES = { load: 'this machine', target: 'target', intercept: 'intercept' } as const;

/** Findings in the order of the way; those of other machines bear their names. */
export function walkFindings(walk: Walk): Finding[] {
  const { load, others, question } = walk;
  // On this machine the kernel's own connection tells: the probe passes its rules by.
  const isAnswered = walk.probe?.ok === true;
  const toLoad = { isAnswered: isAnswered && walk.fromHere === 'open' };
  const known = { loadAddresses: load.addresses, isSilent: isSilent(walk), isAnswered };
  return [
    privilegeFinding(walk),
    triedFinding('plan', walk.plan),
    ...(walk.path === null ? [] : [triedFinding('path', walk.path)]),
    ...rateFindings(walk),
    ...machineFindings(load, question, { ...known, ...toLoad }).map((finding) =>
      named(finding, load),
    ),
    fromHereFinding(walk),
    ...(walk.channel === null ? [] : [triedFinding('intercept', walk.channel)]),
    ...channelClockFindings(walk.channelClocks),
    ...probeFindings(walk),
    ...packetSizeFindings(walk),
    ...others.flatMap((facts) =>
      machineFindings(facts, question, known).map((finding) => named(finding, facts)),
    ),
  ];
}

/** Nothing came back from where an answer was due. */
const isSilent = ({ probe }: Walk): boolean =>
  probe !== null && !probe.ok && probe.code === 'ERR_PROBE_NO_ANSWER';

/** The same, of a machine that is not the load machine. */
export const remoteFindings = (facts: MachineFacts, question: Question): Finding[] =>
  machineFindings(facts, question).map((finding) => named(finding, facts));

const named = (finding: Finding, { place }: MachineFacts): Finding => ({
  ...finding,
  what: place === 'load' ? finding.what : `${PLACES[place]}: ${finding.what}`,
});

function privilegeFinding({ privileges, question }: Walk): Finding {
  const what = 'privileges';
  const { netRaw, netAdmin } = privileges;
  if (netRaw && (netAdmin || !question.isOwn)) {
    return { state: 'good', what, text: 'packets can be sent and heard', mend: null };
  }
  const missing = netRaw ? 'CAP_NET_ADMIN, for the rule of own addresses' : 'CAP_NET_RAW';
  return {
    state: 'bad',
    what,
    text: `this process lacks ${missing}`,
    mend: 'sudo gryphon doctor …',
  };
}

function rateFindings({ sendsPerSecond }: Walk): Finding[] {
  if (sendsPerSecond === null) return [];
  const text = `one thread hands over ${formatCount(sendsPerSecond)} packets/s one by one (loopback); in batches it is more`;
  return [{ state: 'good', what: 'sending', text, mend: null }];
}

const triedFinding = (what: string, tried: Tried): Finding =>
  tried.ok
    ? { state: 'good', what, text: tried.text, mend: null }
    : { state: 'bad', what, text: tried.message, mend: tried.hint };

function fromHereFinding({ fromHere, question, probe }: Walk): Finding {
  const what = "target's port";
  const { target, port } = question;
  const watch = `on the target: ss -ltn 'sport = :${port}'; nft list ruleset`;
  if (probe?.ok === true && fromHere !== 'open' && fromHere !== null) {
    const text =
      "answers the clients, but takes no connection of this machine's own: a firewall here or there drops those, which no replay needs";
    return { state: 'unknown', what, text, mend: 'nft list ruleset, or iptables -S' };
  }
  switch (fromHere) {
    case 'open':
      return { state: 'good', what, text: "takes a connection of this machine's own", mend: null };
    case 'refused': {
      const text = `refuses a connection of this machine's own: nothing listens on port ${port}, or a firewall rejects it`;
      return { state: 'bad', what, text, mend: `start the server; ${watch}` };
    }
    case 'silent': {
      const text = `does not answer this machine itself: it is down, or a firewall drops what comes to port ${port}`;
      return { state: 'bad', what, text, mend: `ping ${target}; ${watch}` };
    }
    case 'unreachable': {
      const text = `cannot be reached from this machine itself: a router or firewall says so, or nobody has ${target}`;
      return { state: 'bad', what, text, mend: `ip route get ${target}; ${watch}` };
    }
    case null:
      return { state: 'unknown', what, text: 'was not tried', mend: null };
  }
}

function probeFindings(walk: Walk): Finding[] {
  const { probe, question, load } = walk;
  const what = 'a client';
  if (probe === null) {
    // Which address that would be is found out with the way.
    const from = question.isOwn ? "this machine's own address" : question.client;
    const text = `whether a SYN from ${from} is answered was not tried, since the way is not whole`;
    return [{ state: 'unknown', what, text, mend: null }];
  }
  if (probe.ok) return [triedFinding(what, probe), whereHeard(load.heard ?? [], question)];
  if (probe.code === 'ERR_PROBE_RESET' && walk.fromHere === 'open') return [rejected(question)];
  const found = [triedFinding(what, probe)];
  return isSilent(walk) ? [...found, ...silenceFindings(walk)] : found;
}

/** The port is open to this machine itself, so it is not closed. */
function rejected({ client, isOwn }: Question): Finding {
  const text = `a SYN from ${client} is answered with a reset, though the target takes connections of this machine's own: a firewall rejects the clients`;
  const own = isOwn ? '' : '; or --clients own';
  const mend = `on the target: nft list ruleset, or iptables -S${own}`;
  return { state: 'bad', what: 'a client', text, mend };
}

const total = (heard: readonly Heard[], of: (one: Heard) => number): number =>
  heard.reduce((sum, one) => sum + of(one), 0);

function whereHeard(heard: readonly Heard[], question: Question): Finding {
  const what = 'the answer';
  const names = heard.filter(({ synAck }) => synAck.in > 0).map((one) => one.interfaceName);
  const text =
    question.intercept === null
      ? `came back here${names.length === 0 ? '' : ` by ${names.join(', ')}`}`
      : `was handed over by the intercept ${question.intercept}`;
  return { state: 'good', what, text, mend: null };
}

/** Nobody gryphon listens to has an answer: what is known of where it went. */
function silenceFindings(walk: Walk): Finding[] {
  const { load, fromHere, question, others, overridden } = walk;
  const what = 'the answer';
  if (overridden !== null && fromHere === 'open') {
    const text = `was heard by nobody, while the target answers this machine by what its tables say: ${overridden} leads elsewhere`;
    return [{ state: 'bad', what, text, mend: `leave ${overridden} out` }];
  }
  const heard = load.heard ?? [];
  const came = heard.filter(({ synAck }) => synAck.in > 0).map((one) => one.interfaceName);
  if (came.length > 0) {
    const text = `came here by ${came.join(', ')}, where gryphon does not listen`;
    const mend =
      question.intercept === null
        ? `name it: --interface ${came[0]}`
        : 'leave --intercept out: the replies come to this machine';
    return [{ state: 'bad', what, text, mend }];
  }
  const target = others.find(({ place }) => place === 'target');
  if (target !== undefined) return onTheWay(target, walk);
  const text =
    fromHere === 'open'
      ? `was heard by nobody: the target answers this machine, so its port is open, but what it answers to ${question.client} goes elsewhere, or SYNs from there are dropped (rp_filter, a firewall, anti-spoofing of a switch or cloud)`
      : 'was heard by nobody';
  return [
    { state: 'unknown', what, text, mend: `on the target: ${remoteLine(question, 'target')}` },
  ];
}

/** The target was asked: whether the SYNs have come so far. */
function onTheWay({ heard }: MachineFacts, { fromHere, question }: Walk): Finding[] {
  if (heard === null || fromHere !== 'open' || total(heard, ({ syn }) => syn.in) > 0) return [];
  const text = `SYNs from ${question.client} do not reach the target, though this machine's own do: something on the way drops source addresses that it does not know`;
  const mend =
    'let them through there (port security, anti-spoofing, source/destination check of a cloud), or --clients own';
  return [{ state: 'bad', what: 'on the way', text, mend }];
}

/** What is to be run on another machine. */
export const remoteLine = (
  { target, port, clients, intercept }: Question,
  place: 'target' | 'intercept',
): string => {
  const host = target.includes(':') ? `[${target}]` : target;
  const by = intercept === null ? '' : ` --intercept ${intercept}`;
  return `gryphon doctor --on-${place} --target ${host}:${port} --clients ${clients}${by}`;
};

function packetSizeFindings({ packetSize, question }: Walk): Finding[] {
  const what = 'packet size';
  if (packetSize === null) return [];
  const { path, answered } = packetSize;
  if (answered >= path) {
    return [
      {
        state: 'good',
        what,
        text: `${path} octets get through, as the path's MTU says`,
        mend: null,
      },
    ];
  }
  if (answered === 0) {
    const text = 'a SYN with data is not answered at any size: a firewall may drop such ones';
    return [{ state: 'unknown', what, text, mend: null }];
  }
  const text = `packets of ${path} octets do not get through, of ${answered} they do: the MTU is smaller on the way`;
  const mss = answered - TCP_IP_HEADER_BYTES[parseAddress(question.client)?.family ?? 4];
  const mend = `ip route change … mtu ${answered}, or --mss ${mss}`;
  return [{ state: 'bad', what, text, mend }];
}
