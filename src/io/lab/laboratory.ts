/**
 * Three hosts on one Ethernet, each a network namespace of this machine (ip-netns(8)):
 *
 *     client 10.99.0.2 ─┐
 *     target 10.99.0.1 ─┼─ br0 in a namespace of its own
 *  auxiliary 10.99.0.3 ─┘
 *
 * A namespace's name bears the mark of the process that made it, so that the next one knows what a
 * killed one has left: `gryphon-lab-PID-START-ROLE`.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { ReplayError } from '../../base/errors.ts';
import { bearsDeadMark, ownMark } from '../rules/process-mark.ts';
import { ROOT_HINT } from '../sys/errno.ts';
import { inNamespace } from '../sys/namespace.ts';
import { runCommand } from '../way/commands.ts';

/** A host of the laboratory. */
export interface LabHost {
  /** Of its network namespace, for `ip netns exec`. */
  readonly name: string;
  readonly address: string;
}

/** The device that every host has. */
export const LAB_DEVICE = 'eth0';

/** Where ip(8) keeps the names. */
const NAMES_FOLDER = '/run/netns';
const NAME_PATTERN = /^gryphon-lab-(\d+)-(\d+)-/;
const PREFIX_LENGTH = 24;

/**
 * A namespace begins with the machine's settings; a laboratory must not depend on them. `all` is
 * combined with the device's own value: the larger rp_filter, either forwarding.
 */
const SETTINGS: readonly (readonly [path: string, value: string])[] = [
  ['net/ipv4/conf/all/rp_filter', '0'],
  ['net/ipv4/conf/default/rp_filter', '0'],
  ['net/ipv4/ip_forward', '0'],
];

/** The namespaces of one process; `close` removes them. */
export class Laboratory {
  readonly client: LabHost;
  readonly target: LabHost;
  readonly auxiliary: LabHost;
  readonly #names: string[] = [];
  readonly #onExit = (): void => this.#removeAtExit();

  /**
   * Makes it, in place of what killed processes have left.
   * @throws ReplayError ERR_LAB_NO_IP, ERR_LAB_REFUSED (environment), ERR_IO_LEFT_BEHIND (internal)
   */
  constructor() {
    removeLeftovers();
    const start = `gryphon-lab-${ownMark().split(':').slice(1).join('-')}`;
    this.client = { name: `${start}-client`, address: '10.99.0.2' };
    this.target = { name: `${start}-target`, address: '10.99.0.1' };
    this.auxiliary = { name: `${start}-auxiliary`, address: '10.99.0.3' };
    process.once('exit', this.#onExit);
    try {
      this.#build(`${start}-switch`);
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  #build(bridge: string): void {
    const hosts = [this.client, this.target, this.auxiliary];
    for (const name of [bridge, ...hosts.map((host) => host.name)]) {
      // Before, so that what was half made is removed as well.
      this.#names.push(name);
      ip(['netns', 'add', name]);
      inNamespace(name, () => {
        for (const [path, value] of SETTINGS) writeFileSync(`/proc/sys/${path}`, value);
      });
    }
    ip(
      ['-n', bridge, '-batch', '-'],
      [
        'link add br0 type bridge stp_state 0',
        'link set br0 up',
        ...hosts.flatMap(({ name }, i) => [
          `link add port${i} type veth peer name ${LAB_DEVICE} netns ${name}`,
          `link set port${i} master br0 up`,
        ]),
      ],
    );
    for (const { name, address } of hosts) {
      ip(
        ['-n', name, '-batch', '-'],
        [
          'link set lo up',
          `address add ${address}/${PREFIX_LENGTH} dev ${LAB_DEVICE}`,
          `link set ${LAB_DEVICE} up`,
        ],
      );
    }
  }

  /**
   * Where the target sends its answers to whoever is not on the link: its default route.
   * @throws ReplayError ERR_LAB_REFUSED (environment)
   */
  routeAnswers(via: LabHost): void {
    ip(['-n', this.target.name, 'route', 'replace', 'default', 'via', via.address]);
  }

  /**
   * Kills what runs in the namespaces and removes them; harmless when called again.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes what is left
   */
  close(): void {
    process.off('exit', this.#onExit);
    const left = this.#names.splice(0).filter((name) => !remove(name));
    if (left.length > 0) throw leftBehind(left);
  }

  #removeAtExit(): void {
    try {
      this.close();
    } catch (fault) {
      process.exitCode = 1;
      process.stderr.write(`gryphon: ${fault instanceof Error ? fault.message : ''}\n`);
    }
  }
}

/**
 * Removes the laboratories of processes that have ended without doing so.
 * @throws ReplayError ERR_IO_LEFT_BEHIND (internal)
 */
function removeLeftovers(): void {
  const left = namesInUse().filter((name) => {
    const [, pid, start] = NAME_PATTERN.exec(name) ?? [];
    if (pid === undefined || !bearsDeadMark(`gryphon:${pid}:${start}`)) return false;
    return !remove(name);
  });
  if (left.length > 0) throw leftBehind(left);
}

function namesInUse(): string[] {
  try {
    return readdirSync(NAMES_FOLDER);
  } catch {
    // Nobody has made a namespace on this machine yet.
    return [];
  }
}

/** Ends what runs in a namespace, and removes it. @returns whether it is gone */
function remove(name: string): boolean {
  if (!namesInUse().includes(name)) return true;
  for (const pid of processesIn(name)) killOutright(pid);
  const answer = runCommand('ip', ['netns', 'delete', name]);
  return answer.failure === null || !namesInUse().includes(name);
}

/** Processes in a namespace, but for this one. */
export function processesIn(name: string): number[] {
  const pids = runCommand('ip', ['netns', 'pids', name]);
  const texts = pids.failure === null ? pids.stdout.split('\n') : [];
  return texts.map(Number).filter((pid) => pid > 1 && pid !== process.pid);
}

function killOutright(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

/** @throws ReplayError ERR_LAB_NO_IP, ERR_LAB_REFUSED (environment) */
function ip(argv: readonly string[], lines: readonly string[] = []): void {
  const answer = runCommand('ip', argv, lines.map((line) => `${line}\n`).join(''));
  if (answer.failure === null) return;
  if (answer.isMissing) {
    throw new ReplayError({
      code: 'ERR_LAB_NO_IP',
      kind: 'environment',
      message: 'ip is not installed, and it makes the network namespaces',
      hint: 'install iproute2: apt-get install iproute2',
    });
  }
  const isDenied = /not permitted|permission denied/i.test(answer.failure);
  throw new ReplayError({
    code: 'ERR_LAB_REFUSED',
    kind: 'environment',
    message: `ip ${argv.join(' ')} failed: ${answer.failure}`,
    hint: isDenied
      ? `${ROOT_HINT}; in a container it takes --privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN`
      : 'the kernel needs network namespaces, veth and bridge (modprobe veth bridge)',
  });
}

const leftBehind = (names: readonly string[]): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_LEFT_BEHIND',
    kind: 'internal',
    message: `network namespaces of the laboratory are left: ${names.join(', ')}`,
    hint: `remove them: ${names.map((name) => `ip netns delete ${name}`).join('; ')}`,
  });
