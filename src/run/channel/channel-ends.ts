/** What both ends of the channel need: who they are, and what time it is. */

import { readFileSync } from 'node:fs';
import type { Timestamp } from '../../base/time.ts';
import {
  BOOT_ID_BYTES,
  CAPABILITIES,
  CAPABILITIES_REQUIRED,
  type Hello,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_OLDEST,
} from '../../intercept/protocol.ts';
import { CLOCK_REALTIME, clockGettime, TIMESPEC_WORDS } from '../../io/sys/clock.ts';

/** What both ends of the channel say of themselves. */
export function helloOf(version: string): Hello {
  return {
    oldest: PROTOCOL_VERSION_OLDEST,
    newest: PROTOCOL_VERSION,
    offered: CAPABILITIES,
    required: CAPABILITIES_REQUIRED,
    bootId: readBootId(),
    software: `gryphon ${version}`,
  };
}

function readBootId(): Uint8Array {
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
    return Uint8Array.from(Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex')).slice(
      0,
      BOOT_ID_BYTES,
    );
  } catch {
    // Without /proc nobody shares our clock for certain.
    return new Uint8Array(BOOT_ID_BYTES);
  }
}

/** Reads CLOCK_REALTIME. */
export function wallClock(): () => Timestamp {
  const timespec = new Uint32Array(TIMESPEC_WORDS);
  return () => {
    clockGettime(CLOCK_REALTIME, timespec);
    return { seconds: timespec[0], nanoseconds: timespec[2] };
  };
}
