/** What `gryphon inspect --json` prints; the names and meanings are for other programs to rely on. */

export interface FileReport {
  readonly file: string;
  readonly format: string;
  readonly compression: 'gzip' | 'zstd' | null;
  /** Of the file as it is, compressed or not. */
  readonly bytes: number;
  /** Frames; `tcpPackets` and the skipped ones add up to them. */
  readonly packets: number;
  readonly tcpPackets: number;
  /** Seconds since 1970 with nine decimals; null when no packet has a time. */
  readonly firstTimestamp: string | null;
  readonly lastTimestamp: string | null;
  /** LINKTYPE_ numbers. */
  readonly linkTypes: readonly number[];
  /** Packets whose time stamp is far from those before and after: they are dated between them. */
  readonly strayTimestamps: number;
  /** How often the clock was set back by more than a second: what follows is moved forward. */
  readonly clockStepsBack: number;
  /** Frames of which the snap length cut something. */
  readonly truncatedPackets: number;
  readonly skippedPackets: Readonly<Record<string, number>>;
  /** Where and why the rest of the file could not be read. */
  readonly damage: { readonly offset: number; readonly reason: string } | null;
}

/** How many sessions there are; `total` is `replayable` and all of `skipped`. */
export interface SessionTotals {
  /** `replayable` and the skipped ones add up to it. */
  readonly total: number;
  readonly replayable: number;
  readonly skipped: Readonly<Record<string, number>>;
}

/** Of recorded times, in milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly max: number;
}

/** Of a server's replayable sessions; null where there is nothing to measure. */
export interface RecordedTimings {
  /** How long clients thought before their turns: the servers' own time is not in it. */
  readonly thinkMs: Spread | null;
  /** How long the server took to begin to answer. */
  readonly latencyMs: Spread | null;
  /** HTTP/1 requests, pipelined ones each. */
  readonly httpRequests: number;
}

/** Of a server's sessions, without those that the selection leaves out. */
export interface ServerReport {
  readonly address: string;
  readonly port: number;
  readonly sessions: number;
  readonly replayable: number;
  /** Sessions in which the server spoke first. */
  readonly serverFirst: number;
  /** Changes of speaker towards the client. */
  readonly clientTurns: number;
  /** Payload octets, each once. */
  readonly clientBytes: number;
  readonly serverBytes: number;
  /** Those of both directions that belong to replayable sessions. */
  readonly replayableBytes: number;
}

/** One session, as `--sessions` lists it. */
export interface SessionReport {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  readonly start: string;
  readonly durationMs: number;
  readonly packets: number;
  readonly replayable: boolean;
  /** Why it is not replayed. */
  readonly reason: string | null;
  readonly first: 'client' | 'server' | null;
  readonly clientTurns: number;
  readonly clientBytes: number;
  readonly serverBytes: number;
  /** Of the octets in sequence order, in hex; null where some are missing. */
  readonly clientSha256: string | null;
  readonly serverSha256: string | null;
}

/** What in the replayable sessions of a server cannot be played to a server as it stands. */
export interface HintReport {
  /** `ftp-data`, `mqtt-client-id`, `stomp-client-id`, `openwire-client-id`, `amqp-exclusive-queue`. */
  readonly kind: string;
  readonly address: string;
  readonly port: number;
  readonly sessions: number;
  /** Different names among them; 0 where it is not about names. */
  readonly names: number;
  /** The same as a sentence. */
  readonly text: string;
}

/** What replayable sessions of a server speak, by their first octets: of the first 10,000 sessions. */
export interface ProtocolReport {
  readonly address: string;
  readonly port: number;
  /**
   * `http1`, `tls`, `ssh`, `redis`, `mysql`, `postgresql`, `smtp`, `ftp`, `pop3`, `imap`, …; `websocket` counts those of
   * `http1` that become one, with the messages that are answered.
   */
  readonly protocol: string;
  readonly sessions: number;
  /** Of protocols that can be followed: requests that are to be answered, and their answers. */
  readonly requests: number;
  readonly answers: number;
  /** Sessions both of whose streams were followed to their last octets. */
  readonly followed: number;
}

/** Addresses that clients of replayable sessions have: what `--per client` plays as one each. */
export interface ClientReport {
  readonly count: number;
  /** Of how many sessions each was the client; 0 without any. */
  readonly sessionsMedian: number;
  readonly sessionsMax: number;
}

/** Sessions that rules cannot be applied to: a replay leaves them out. */
export interface RefusedReport {
  /** `http: HTTP/2 cannot be rewritten: …` */
  readonly reason: string;
  readonly sessions: number;
  /** The ends of the first of them. */
  readonly client: string;
  readonly server: string;
}

/** What rules would make of the replayable sessions (`--rules`). */
export interface RewritingReport {
  /** Sessions in which anything is written anew or read. */
  readonly sessions: number;
  /** Messages that are written anew, and answers that are read. */
  readonly messages: number;
  readonly answers: number;
  readonly refused: readonly RefusedReport[];
}

/** Where requests have a value. */
export interface SentReport {
  readonly part: 'cookie' | 'header' | 'query' | 'path' | 'form' | 'json' | 'body' | 'frame';
  /** Of the cookie, field, parameter or JSON path; of a path the segment before the value. */
  readonly name: string;
  readonly as: 'raw' | 'percent' | 'base64';
}

/** Values that answers handed out in one way and that later requests of the same client had. */
export interface CorrelatedReport {
  /** Whose answers: method and path with its identifiers folded. */
  readonly by: readonly string[];
  /** What it stands in. */
  readonly in:
    | 'cookie'
    | 'json'
    | 'hidden'
    | 'meta'
    | 'header'
    | 'location'
    | 'attribute'
    | 'script'
    | 'link'
    | 'text';
  /** Of the cookie, field, parameter, attribute; the path into JSON. */
  readonly name: string;
  readonly sent: readonly SentReport[];
  readonly clients: number;
  readonly values: number;
  /** The beginning of one. */
  readonly example: string;
  /** Whether recorded clients got different values for the same request. */
  readonly differs: 'yes' | 'partly' | 'no' | 'unknown';
  /** Whether a client that asked the same again got another value. */
  readonly changes: boolean;
  /** From 0 to 1; what has less than 0.5 is in no rule. */
  readonly confidence: number;
  /** Its name in `learn` of the rules, or `cookies`; null: it is in none. */
  readonly rule: string | null;
  /** Some was sent on a connection on which it was not handed out: a replay needs `--per client`. */
  readonly isAcross: boolean;
  /** It has no delimiters that a rule could name. */
  readonly isUnfindable: boolean;
}

/** What `--correlate` finds. */
export interface CorrelationReport {
  /** What was looked at. */
  readonly sessions: number;
  readonly clients: number;
  /** HTTP/1 sessions that were not: there were too many, or their answers were not captured whole. */
  readonly sessionsLeft: number;
  readonly sessionsHoled: number;
  /** There were more values than are looked at. */
  readonly isCut: boolean;
  /** The surest first. */
  readonly rows: readonly CorrelatedReport[];
  /** A rules file (schema/rules.json). */
  readonly rules: object;
  /** Octets of an answer's body that have to be read for the rules. */
  readonly bodyBytes: number;
}

/** What `gryphon inspect --json` writes: schema `gryphon.inspect/1`. */
export interface InspectDocument {
  readonly schema: 'gryphon.inspect/1';
  readonly files: readonly FileReport[];
  readonly sessions: SessionTotals;
  readonly clients?: ClientReport;
  readonly servers: readonly (ServerReport & Partial<RecordedTimings>)[];
  readonly hints?: readonly HintReport[];
  readonly protocols?: readonly ProtocolReport[];
  /** Only with rules. */
  readonly rewriting?: RewritingReport;
  /** Only with `--correlate`. */
  readonly correlation?: CorrelationReport;
  readonly sessionList?: readonly SessionReport[];
}
