/** Opens what an intercept picks replies up with, by the mode's name. */
import { PREFIX_BYTES, PREFIX_BYTES_MAX } from '../../base/prefix-bytes.ts';
import type { PacketSource } from '../../intercept/ports.ts';
import { AdvancedSource } from './intercept-advanced.ts';
import { NfqueueSource } from './intercept-nfqueue.ts';
import type { PassedClients } from './intercept-registrations.ts';
import { SinkSource } from './intercept-sink.ts';

/** Where replies are picked up: an auxiliary machine; or the target, by netfilter or by a route. */
export type SourceMode = 'advanced' | 'nfqueue' | 'sink';

/** What is left out takes its default; what a mode has no use for is not looked at. */
export interface PacketSourceOptions {
  /** Octets of payload handed over with the headers: 0..PREFIX_BYTES_MAX, PREFIX_BYTES by default. */
  readonly prefixBytes?: number;
  /** The most that registrations are granted: PREFIX_BYTES_MAX by default. */
  readonly prefixBytesMax?: number;
  /** advanced: where replies come in; by default where the routes to the targets lead. */
  readonly interfaces?: readonly string[];
  /** advanced: capture although the machine forwards. */
  readonly force?: boolean;
  /** advanced, sink: packets that can wait to be received, 32768 by default. */
  readonly ringFrames?: number;
  /** advanced, sink: capture only what this accepts as well, in pcap's language (libpcap). */
  readonly filter?: string;
  /** nfqueue: both ends included, 0..65535; queue 0 alone by default. */
  readonly queues?: { readonly first: number; readonly last: number };
  /** nfqueue: packets leave the target when nobody takes them, instead of being dropped. */
  readonly failOpen?: boolean;
  /** nfqueue: install no rules, only tell them (`describe`). */
  readonly noRules?: boolean;
  /** nfqueue: clients whose replies are let through although they lie in a registered range. */
  readonly pass?: readonly PassedClients[];
}

/**
 * Opens a mode's source, with nothing registered. To be called in the thread that receives.
 * `setRegistrations` may throw as well: the former registrations then stay in force.
 * @throws ReplayError ERR_IO_NOT_PERMITTED and others of `AdvancedSource`, `NfqueueSource`,
 * `SinkSource`
 */
export function openSource(mode: SourceMode, options: PacketSourceOptions = {}): PacketSource {
  const { prefixBytesMax = PREFIX_BYTES_MAX } = options;
  const { prefixBytes = PREFIX_BYTES, interfaces = [], force = false, filter = null } = options;
  const { ringFrames } = options;
  const ring = ringFrames === undefined ? { filter } : { filter, ringFrames };
  if (mode === 'advanced') return new AdvancedSource({ interfaces, force, prefixBytes, ...ring });
  if (mode === 'sink') return new SinkSource({ prefixBytes, ...ring });
  const { queues = { first: 0, last: 0 }, failOpen = false, noRules = false, pass = [] } = options;
  return new NfqueueSource({
    queues,
    failOpen,
    noRules,
    passed: pass,
    prefixBytes,
    prefixBytesMax,
  });
}
