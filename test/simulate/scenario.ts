/** What one run is: sessions, users, paths and servers, and the list of what goes wrong; plain objects. */

/** Which way a packet goes. */
export type Way = 'toServer' | 'toClient';

/** What goes wrong once, to the packet with this number on that way. */
export type PacketFault =
  | { readonly kind: 'lose'; readonly way: Way; readonly index: number }
  | {
      readonly kind: 'duplicate';
      readonly way: Way;
      readonly index: number;
      readonly lateNs: number;
    }
  | { readonly kind: 'delay'; readonly way: Way; readonly index: number; readonly lateNs: number }
  /** One bit is turned over. Towards the client a network card would drop it; what is cut it hands on. */
  | {
      readonly kind: 'corrupt';
      readonly way: 'toServer';
      readonly index: number;
      readonly bit: number;
    }
  /** Only so many octets of the packet are there, whatever its headers say. */
  | {
      readonly kind: 'cut';
      readonly way: 'toClient';
      readonly index: number;
      readonly bytes: number;
    }
  /** Beside the packet comes another, of octets without sense. */
  | {
      readonly kind: 'garbage';
      readonly index: number;
      readonly seed: number;
      readonly bytes: number;
    };

/** What goes wrong for a while. */
export type PathFault =
  | {
      readonly kind: 'blackout';
      readonly way: Way;
      readonly fromNs: number;
      readonly forNs: number;
    }
  | {
      readonly kind: 'throttle';
      readonly way: Way;
      readonly bytesPerSecond: number;
      readonly queueBytes: number;
    }
  /** Packets arrive at multiples of this, and neighbours of one flow as one. */
  | { readonly kind: 'merge'; readonly way: Way; readonly everyNs: number }
  /** The generator's process stands still. */
  | { readonly kind: 'pause'; readonly fromNs: number; readonly forNs: number }
  /** The intercept vanishes, and returns: what it holds is gone. */
  | { readonly kind: 'intercept-gone'; readonly fromNs: number; readonly forNs: number }
  /** An interrupt: start nothing more, and close. */
  | { readonly kind: 'interrupt'; readonly atNs: number };

/** What a server does to the connection with this number, counted as they come. */
export type ServerFault =
  /** Answers the SYN by an RST. */
  | { readonly kind: 'refuse'; readonly connection: number }
  /** Never answers at all. */
  | { readonly kind: 'mute'; readonly connection: number }
  /** Takes everything and says nothing from that message on. */
  | { readonly kind: 'silent'; readonly connection: number; readonly message: number }
  /** Says that message when the connection is open. */
  | { readonly kind: 'early'; readonly connection: number; readonly message: number }
  /** That message is longer, or shorter, than recorded. */
  | {
      readonly kind: 'length';
      readonly connection: number;
      readonly message: number;
      readonly bytes: number;
    }
  /** Reads nothing for a while once it has received so many octets; then only who asks is told so. */
  | {
      readonly kind: 'stop-reading';
      readonly connection: number;
      readonly afterBytes: number;
      readonly forNs: number;
      readonly tells: boolean;
    }
  /** Its buffer becomes smaller once it has received so many octets: the window's edge moves back. */
  | {
      readonly kind: 'shrink';
      readonly connection: number;
      readonly afterBytes: number;
      readonly bufferBytes: number;
    }
  /** Ends its stream after so many segments, and goes on reading or not. */
  | {
      readonly kind: 'close-early';
      readonly connection: number;
      readonly afterSegments: number;
      readonly isHalf: boolean;
    }
  /** Resets the connection after so many segments. */
  | { readonly kind: 'reset'; readonly connection: number; readonly afterSegments: number }
  /** After so many segments it says again what the client knows. */
  | {
      readonly kind:
        | 'keep-alive'
        | 'challenge'
        | 'urgent'
        | 'blind-reset'
        | 'blind-syn'
        | 'ack-unsent';
      readonly connection: number;
      readonly afterSegments: number;
    };

export type Fault = PacketFault | PathFault | ServerFault;

export interface SessionMessage {
  readonly from: 'client' | 'server';
  readonly bytes: number;
  /** The octets are drawn with it. */
  readonly seed: number;
  readonly thinkNs: number;
  /** Octets of the other stream that come before it. */
  readonly awaits: number;
}

export interface Session {
  readonly messages: readonly SessionMessage[];
  readonly endsFirst: 'client' | 'server';
  readonly endThinkNs: number;
}

/** How servers are made: what RFC 9293 leaves to an implementation, and their kernels' settings. */
export interface ServerSettings {
  readonly mss: number;
  readonly bufferBytes: number;
  /** Not offered where it is -1. */
  readonly windowScale: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly ackEvery: number;
  readonly ackDelayNs: number;
  readonly rtoNs: number;
  readonly retriesMax: number;
  /** Segments in flight. */
  readonly burst: number;
  readonly finWithData: boolean;
}

export interface Scenario {
  readonly seed: number;
  readonly family: 4 | 6;
  readonly users: number;
  readonly iterations: number;
  readonly ratePerSecond: number;
  readonly sessions: readonly Session[];
  readonly server: ServerSettings;
  readonly client: {
    readonly mss: number;
    readonly windowBytes: number;
    readonly timestamps: boolean;
    readonly sack: boolean;
    readonly windowScale: number;
    readonly timeoutNs: number;
    readonly retriesMax: number;
    readonly pace: number;
    readonly close: number;
  };
  readonly delayNs: Readonly<Record<Way, number>>;
  /** Replies come by an intercept's channel instead of the kernel's ring. */
  readonly byIntercept: boolean;
  /** What comes in at once, and how much of a packet. */
  readonly capturedBytesMax: number;
  /** Not 0: a module writes messages anew, as drawn with this; and the memory that it has for them. */
  readonly rewriting: number;
  readonly arenaBytes: number;
  /** Nothing lasts and nobody gives up: every user has to be completed in the end. */
  readonly mustComplete: boolean;
  readonly faults: readonly Fault[];
}

const SERVER_KINDS: ReadonlySet<string> = new Set([
  'refuse',
  'mute',
  'silent',
  'early',
  'length',
  'stop-reading',
  'shrink',
  'close-early',
  'reset',
  'keep-alive',
  'challenge',
  'urgent',
  'blind-reset',
  'blind-syn',
  'ack-unsent',
]);

export const isServerFault = (fault: Fault): fault is ServerFault => SERVER_KINDS.has(fault.kind);
