/** What is observed of the way between a load machine and its target, as plain data. */

/** What a way is asked for; addresses as text. */
export interface Question {
  readonly target: string;
  readonly port: number;
  /** The clients as they were written. */
  readonly clients: string;
  /** One of their addresses, which stands for all. */
  readonly client: string;
  /** Clients are the load machine's own addresses. */
  readonly isOwn: boolean;
  /** The intercepts that pick answers up (`HOST:PORT, …`); null: the load machine. */
  readonly intercept: string | null;
}

/** Where a machine's facts are from. */
export type Place = 'load' | 'target' | 'intercept';

/** Segments of the clients' connections seen on one interface, each before any firewall rule. */
export interface Heard {
  readonly interfaceName: string;
  /** To the target, SYN alone. */
  readonly syn: { readonly in: number; readonly out: number };
  /** From the target, SYN and ACK. */
  readonly synAck: { readonly in: number; readonly out: number };
}

/** Whether an interface joins packets that come in: in the kernel (GRO), in the card (LRO). */
export interface InterfaceOffloads {
  readonly interfaceName: string;
  readonly gro: boolean;
  readonly lro: boolean;
}

/** What one machine says of itself, on the load machine, the target or an intercept's. */
export interface MachineFacts {
  readonly place: Place;
  /** Its own addresses, without loopback ones. */
  readonly addresses: readonly string[];
  /** Where it sends what is for the client; null: it has no route for it. */
  readonly wayBack: {
    readonly interfaceName: string;
    readonly via: string;
    readonly isOwn: boolean;
  } | null;
  /** Who can reach the port here; null: no matter. */
  readonly listening: 'nobody' | 'loopback' | 'everybody' | null;
  /** Interfaces whose rp_filter is strict (1). */
  readonly strictInterfaces: readonly string[];
  readonly forwards: boolean;
  /** Connections that the kernel tracks, and how many it can; null: it tracks none, or does not say. */
  readonly conntrack: { readonly count: number; readonly max: number } | null;
  /** Entries of the kernel's neighbour table, and its limit; null: it does not say. */
  readonly neighbours: { readonly count: number; readonly max: number } | null;
  /** Interfaces and what joins packets on them (`ethtool -k`); null: nobody can tell; absent: of an older version. */
  readonly offloads?: readonly InterfaceOffloads[] | null;
  /** How well its clock is kept, as its kernel says; null: it does not; absent: of an older version. */
  readonly clock?: {
    readonly isSynchronised: boolean;
    readonly maxErrorNs: number;
    readonly estimatedErrorNs: number;
  } | null;
  /** Firewall rules that may drop or reject the clients' segments; null: they cannot be read. */
  readonly firewall: readonly string[] | null;
  /** What was heard while the load machine sent; null: nobody listened. */
  readonly heard: readonly Heard[] | null;
}

/** A part of the way that was tried. */
export type Tried =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      /** Of the ReplayError. */
      readonly code: string;
      readonly message: string;
      readonly hint: string | null;
    };

/** What the channel has found out of an intercept's clock. */
export interface ChannelClock {
  /** `HOST:PORT`. */
  readonly intercept: string;
  /** `same`: the intercept runs on this machine's kernel. */
  readonly known: 'same' | { readonly offsetNs: number; readonly uncertaintyNs: number };
}

/** All that the load machine has seen; null: it did not come to that. */
export interface Walk {
  readonly question: Question;
  readonly privileges: { readonly netRaw: boolean; readonly netAdmin: boolean };
  /** Whether the users fit into memory and pool. */
  readonly plan: Tried;
  readonly path: Tried | null;
  /** A connection of the machine's own kernel to the target. */
  readonly fromHere: 'open' | 'refused' | 'silent' | 'unreachable' | null;
  /** The channel to the intercepts. */
  readonly channel: Tried | null;
  /** The clocks of those that are connected. */
  readonly channelClocks: readonly ChannelClock[];
  /** SYN, SYN-ACK, RST from a client's address. */
  readonly probe: Tried | null;
  /** Octets of the longest packet of the path, and of the longest that was answered (0: none). */
  readonly packetSize: { readonly path: number; readonly answered: number } | null;
  /** The options that name the way, as written, in place of what the tables say; null: none. */
  readonly overridden: string | null;
  /** Packets that a short test on the loopback interface sent in a second, one by one. */
  readonly sendsPerSecond: number | null;
  readonly load: MachineFacts;
  /** What was pasted. */
  readonly others: readonly MachineFacts[];
}

/** One hop or condition: in order, not in order, or not to be told from here. */
export interface Finding {
  readonly state: 'good' | 'bad' | 'unknown';
  readonly what: string;
  readonly text: string;
  /** A command, or what to do; null: nothing. */
  readonly mend: string | null;
}
