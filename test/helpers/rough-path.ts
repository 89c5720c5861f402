/** A path through a lab's gateway on which packets overtake each other and are lost. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { DEVICE_TO_TARGET, type Host, type Lab, mustInside, startInside } from './netns.ts';
import { FIRST_OF_ALL, until } from './process.ts';

const PYTHON = '/usr/bin/python3';
/** The programs that it takes, besides a lab's. */
export const ROUGH_PATH_TOOLS: readonly string[] = ['chrt', PYTHON];
const PROGRAM = fileURLToPath(new URL('../privileged/servers/reorder.py', import.meta.url));
/**
 * Each fifth packet is overtaken by four, by more than makes a repetition where order is trusted, or by a part of itself;
 * and 2 % are lost.
 */
const HOW = ['5', '4', '0.02'];

/** What was done, and how many packets were overtaken on their way to the target and from it. */
export interface OnRoughPath<Value> {
  readonly value: Value;
  readonly overtaken: { readonly toTarget: number; readonly fromTarget: number };
}

/** Does something while not the kernel forwards, but a program that is not that careful. */
export async function onRoughPath<Value>(
  lab: Lab,
  act: () => Promise<Value>,
): Promise<OnRoughPath<Value>> {
  const sides = [
    `${lab.gateway.device}:${await macOf(lab.client)}`,
    `${DEVICE_TO_TARGET}:${await macOf(lab.target)}`,
  ];
  await mustInside(lab.gateway, ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  const path = startInside(lab.gateway, [...FIRST_OF_ALL, PYTHON, PROGRAM, ...HOW, ...sides]);
  try {
    await until('the path', () => path.output().includes('forwarding'));
    const value = await act();
    await path.stop('SIGTERM');
    const [, to, from] = /^overtaken \[(\d+), (\d+)\]$/m.exec(path.output()) ?? [];
    return { value, overtaken: { toTarget: Number(to), fromTarget: Number(from) } };
  } finally {
    await path.stop('SIGKILL');
    await mustInside(lab.gateway, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  }
}

/**
 * Sees that each connection had a packet overtaken either way. That is certain where each end has said two things of two
 * bytes or more, however late it was.
 */
export function expectOvertaken(
  { toTarget, fromTarget }: OnRoughPath<unknown>['overtaken'],
  connections: number,
): void {
  expect(toTarget).toBeGreaterThanOrEqual(connections);
  expect(fromTarget).toBeGreaterThanOrEqual(connections);
}

const macOf = async (host: Host): Promise<string> =>
  (await mustInside(host, ['cat', `/sys/class/net/${host.device}/address`])).trim();
