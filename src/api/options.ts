/**
 * What the library is asked to do: the options of the commands under the same names, in camel case.
 * A value is written as on the command line (`'30s'`, `'500/s'`, `'10MB'`), or is a number where a bare
 * number is allowed there; a list may be an array.
 *
 * Made by `npm run options` from src/cli/options: to be changed there.
 */

/** A value that may be a number. */
export type OptionValue = string | number;
/** One value, or several. */
export type OneOrMore<T> = T | readonly T[];

/** Which packets and sessions of the captures are wanted. */
export interface CaptureOptions {
  /** `EXPR`: only these packets are read, in tcpdump's language (by the system's libpcap). */
  readonly filter?: string;
  /** `[IP:]PORT,…`: only sessions of these servers; they are servers whoever sent the SYN. */
  readonly server?: OneOrMore<OptionValue>;
  /** `IP[/BITS],…`: only sessions of these clients. */
  readonly client?: OneOrMore<string>;
  /**
   * `T`: only sessions that begin then or later: `90s` into the capture, or `2026-01-31T12:00:00Z`.
   */
  readonly from?: OptionValue;
  /** `T`: only sessions that begin before then. */
  readonly until?: OptionValue;
  /** `N,A-B`: only these sessions, numbered from 0 as `inspect --sessions` lists them. */
  readonly sessionIndex?: OneOrMore<OptionValue>;
  /** `SIZE`: of payload that a session has at least, both directions together. */
  readonly minBytes?: OptionValue;
  /** `SIZE`: of payload that a session has at most. */
  readonly maxBytes?: OptionValue;
  /**
   * `P%`: a share of the sessions, picked by their addresses and ports: the same ones each time.
   */
  readonly fraction?: OptionValue;
  /** `mid-stream,holed,one-sided`: also what there is of sessions that are not whole. */
  readonly include?: OneOrMore<'mid-stream' | 'holed' | 'one-sided'>;
  /**
   * A damaged capture, or a file among several that is no capture, is an error (exit 3) instead of
   * a warning.
   */
  readonly strict?: boolean;
  /**
   * Keep an index beside the capture (`FILE.gryphon-index`), so that the next run starts at once.
   */
  readonly index?: boolean;
}

/** The options of `inspect`. */
export interface InspectOptions extends CaptureOptions {
  /** Paths, at least one, here or in `config`. */
  readonly captures?: string | readonly string[];
  /** Each session, too; in JSON with the SHA-256 of what each side sent. */
  readonly sessions?: boolean;
  /**
   * `FILE`: what these rules (rewriting) would write anew, and which sessions a replay with them
   * leaves out.
   */
  readonly rules?: string;
  /**
   * Which values of HTTP requests came from answers: cookies, tokens, order numbers (correlation).
   */
  readonly correlate?: boolean;
  /** `FILE`: YAML with options by their names; flags and the environment go first. */
  readonly config?: string;
  /** Something that the user should know: one line. */
  readonly onWarning?: (text: string) => void;
}

/** The options of `replay`. Nothing but `captures` has to be given. */
export interface ReplayOptions extends CaptureOptions {
  /** Paths, at least one, here or in `config`. */
  readonly captures?: string | readonly string[];
  /**
   * `HOST:PORT`: where every session is played to; `embedded` is the responder inside this process.
   * Default: embedded.
   */
  readonly target?: string;
  /**
   * `[IP:]PORT-HOST:PORT,…`: the sessions of one recorded server go to this target. What no mapping
   * matches is not played, or goes to `--target` where that is given as well. Default: all to
   * --target; with both, --map goes first.
   */
  readonly map?: OneOrMore<string>;
  /**
   * `PORT=NAME,…`: what sessions to this recorded port speak, where the capture does not show it:
   * `http`, `redis`, `mysql`, `postgresql`, `smtp`, `ftp`, `pop3`, `imap`, `memcached`,
   * `memcached-binary`, `mqtt`; `none`: nothing of it is read. Default: as recognised.
   */
  readonly protocol?: OneOrMore<string>;
  /**
   * `[PORT=]FRAMING,…`: how messages are told apart in sessions to this recorded port; without one
   * in all whose protocol is not recognised: `line`, `none`, or
   * `length:offset=0,bytes=4,endian=big,add=4` (bytes before the length, of it, their order, and
   * how much longer than it a message is). Each message of the client is a request, each of the
   * server an answer. Default: none.
   */
  readonly framing?: OneOrMore<string>;
  /**
   * `N`: users in total: connections, or clients with `--per client`. Users play the sessions, or
   * the recorded clients, in turn, in capture order. Default: one per replayable session, or per
   * recorded client.
   */
  readonly users?: OptionValue;
  /**
   * `connection|client`: what a user is: one connection that plays one session; or one recorded
   * client address with all of its connections, in their recorded order and overlap, from an
   * address of its own. Default: connection.
   */
  readonly per?: 'connection' | 'client';
  /**
   * `POOL`: client addresses: CIDR, `A-B`, `a.b.c.x`, `a.b.c.*`, and lists of these; or `own`: this
   * machine's. Default: 198.18.0.0/15; 2001:2::/96 for an IPv6 target.
   */
  readonly clients?: OneOrMore<string>;
  /**
   * `A-B`: source ports of each client address; at own addresses without those that this machine
   * uses. Default: 1024-65535; with own clients without the kernel's.
   */
  readonly ports?: OptionValue;
  /**
   * `ip|port`: how the pool is used up: all addresses with one port, then the next port; or all
   * ports of one address, then the next address. Default: ip; with clients on the link few
   * addresses.
   */
  readonly order?: 'ip' | 'port';
  /**
   * `I/N`: of the run that is played here: every N-th user, from a slice of the pool. Several
   * machines play one run; needs `--seed`. Default: the whole run.
   */
  readonly share?: string;
  /**
   * `TIME|+T`: by the wall clock (`2026-12-01T10:00:00Z`, or `+5s`: so long after the command has
   * begun), so that shares start together. A run that is not ready by then plays nothing and ends
   * with 4. Default: when it is ready.
   */
  readonly startAt?: string;
  /**
   * `N`: for everything random; the same seed repeats a run against the embedded target. Default:
   * random, shown.
   */
  readonly seed?: OptionValue;
  /** `X`: times as fast as recorded (0.5: half as fast). Default: 1. */
  readonly accel?: OptionValue;
  /** `R`: new users a second, evenly: `2048`, `500/s`, `30/m`. Default: as recorded ÷ accel. */
  readonly rate?: OptionValue;
  /**
   * `R`: requests a second that come due, in an open loop: sessions start in turn, as many as that
   * takes: steady requests.
   */
  readonly requestRate?: OptionValue;
  /** `TIME:USERS,…`: users started by then: `0:0,60s:100000`. */
  readonly ramp?: OneOrMore<string>;
  /** `N`: times that each user plays, each time from another port. Default: 1. */
  readonly iterations?: OptionValue;
  /** `T`: after which nothing is started; until then users play again. */
  readonly duration?: string;
  /**
   * `think|schedule|none`: closed loop, open loop, or as fast as answers come: pacing. Default:
   * think.
   */
  readonly pace?: 'think' | 'schedule' | 'none';
  /**
   * `T`: to which recorded idle times are cut: before what a client says, and between arrivals.
   */
  readonly maxGap?: string;
  /**
   * `T`: without progress, beyond what the recorded server took, that ends a user. Default: 30s.
   */
  readonly timeout?: string;
  /**
   * `FILE`: rules for HTTP, in YAML: what is learnt from answers, and what requests say instead
   * (rewriting).
   */
  readonly rules?: string;
  /**
   * `'NAME: VALUE'`: set this header field of every HTTP request, or add it; may be given several
   * times, and may be a template (`X-Run: {{uuid client}}`). It goes before what the rules say.
   */
  readonly setHeader?: OneOrMore<string>;
  /**
   * `off|auto`: `auto`: each client keeps the cookies that the live server sets, and sends those;
   * `off`: cookies are as recorded. Default: as the rules say, else off.
   */
  readonly cookies?: 'off' | 'auto';
  /**
   * `USER:SOURCE|@FILE`: log in to MySQL or MariaDB as this user: `alice:env:NAME` has the password
   * from the environment, `alice:@FILE` from a file, `:env:NAME` keeps the recorded name,
   * `@FILE.csv` is a table of accounts that clients take in turn (log-ins).
   */
  readonly mysqlUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for PostgreSQL. */
  readonly postgresUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for Redis. */
  readonly redisUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for SMTP. */
  readonly smtpUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for IMAP. */
  readonly imapUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for POP3. */
  readonly popUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for FTP. */
  readonly ftpUser?: string;
  /**
   * `USER:SOURCE|@FILE`: as `--mysql-user`, for MQTT; clients but the first have their number
   * behind their recorded client id.
   */
  readonly mqttUser?: string;
  /** `USER:SOURCE|@FILE`: as `--mysql-user`, for LDAP. */
  readonly ldapUser?: string;
  /**
   * Write nothing: statements that do are left out at MySQL, as far as their first words tell, and
   * PostgreSQL is asked to refuse them. It is heeded where `--mysql-user` or `--postgres-user` logs
   * in.
   */
  readonly readOnly?: boolean;
  /**
   * `FILE,…`: a module (JavaScript, ESM) that writes requests anew, reads answers, or logs in: see
   * modules. Of several that want a session the first one has it.
   */
  readonly module?: OneOrMore<string>;
  /** `JSON`: what the function that a `--module` exports is called with. Default: nothing. */
  readonly moduleOptions?: string;
  /** `T`: how long a request may wait for what an answer has to tell first. Default: 5s. */
  readonly bindTimeout?: string;
  /** `SIZE`: of an answer that is read at most so much is kept. Default: 64KiB. */
  readonly answerBytes?: OptionValue;
  /**
   * `SIZE`: memory for requests that are written anew; users without room do not start. Default: a
   * quarter of what is free.
   */
  readonly rewriteMemory?: OptionValue;
  /**
   * `recorded|server|reset`: who ends a connection: as recorded; the server alone (connections stay
   * open for what it pushes: give a `--duration`); or an RST after the last answer, which leaves no
   * TIME-WAIT behind. Default: recorded.
   */
  readonly close?: 'recorded' | 'server' | 'reset';
  /** `N`: maximum segment size to offer. Default: 1460; 1440 over IPv6. */
  readonly mss?: OptionValue;
  /** Offer TCP timestamps, or not: `--no-timestamps`. Default: on. */
  readonly timestamps?: boolean;
  /**
   * Offer selective acknowledgements, or not: `--no-sack`. Default: as the recorded client did.
   */
  readonly sack?: boolean;
  /** `SIZE`: receive window to offer: `64KiB`, `1MiB`. Default: 1MiB. */
  readonly window?: OptionValue;
  /** `DEV`: on which frames leave. Default: from the routing table. */
  readonly interface?: string;
  /** `MAC|IP`: that frames go to. Default: from the routing table. */
  readonly nextHop?: string;
  /** `MAC`: that frames come from. Default: of the interface. */
  readonly sourceMac?: string;
  /**
   * `packet|xdp|ip|raw-socket`: how frames leave: AF_PACKET, past local netfilter and routing;
   * AF_XDP, past `tc` and tcpdump as well; an IP raw socket, through all of it; or the npm package.
   * Default: packet.
   */
  readonly sender?: 'packet' | 'xdp' | 'ip' | 'raw-socket';
  /**
   * `T`: for which replies may lie until more of them have come, at most 1ms: less CPU a request,
   * and the next request leaves later by as much; `0`: not at all. Default: 0.
   */
  readonly wakeup?: string;
  /**
   * `HOST[:PORT],…`: intercepts that pick replies up, all registered for the whole pool; `local` is
   * this machine. Default: local.
   */
  readonly intercept?: OneOrMore<string>;
  /** `N`: of intercepts that are named without a port. Default: 36524. */
  readonly interceptPort?: OptionValue;
  /** `FILE`: with the intercepts' secret; or `GRYPHON_TOKEN` in the environment. */
  readonly tokenFile?: string;
  /**
   * Answer ARP and NDP for the clients whoever asks; `--no-arp`: nobody. Default: when they are on
   * the link.
   */
  readonly arp?: boolean;
  /**
   * Make the firewall rule that own clients need, and remove it at the end; `--no-firewall-rules`
   * (`--no-rules` for short): print it. Default: on.
   */
  readonly firewallRules?: boolean;
  /** Allow a target with a public address. */
  readonly allowPublic?: boolean;
  /** `FILE`: YAML with options by their names; flags and the environment go first. */
  readonly config?: string;
  /**
   * `N`: worker threads, among which users are split. Half the cores, at most 16, and no more than
   * one for each 1,000 users; with the embedded target, whose figures but the peak do not depend on
   * it, all cores and one for each 20,000; `--sender raw-socket` has one, `--sender xdp` if nothing
   * else is said. Default: by cores.
   */
  readonly threads?: OptionValue;
  /** Run the embedded target on the clock, not on virtual time. */
  readonly realTime?: boolean;
  /**
   * The target says what was recorded, and anything in place of what was not captured, as the
   * embedded one and the built-in server of `gryphon lab` do: what stands in is not read as
   * answers.
   */
  readonly recordedServer?: boolean;
  /**
   * `status|length|body|off`: how answers are compared with the recorded ones: by what they say
   * (HTTP status, error code), by their length as well, by their body, or not: unlike answers.
   * Default: status.
   */
  readonly check?: 'status' | 'length' | 'body' | 'off';
  /**
   * `REGEX`: what `--check body` leaves out of bodies, as a JavaScript regular expression: dates,
   * identifiers; may be given several times. What it finds is blanked in the recorded body and in
   * the one that comes, byte for byte as text. Default: nothing is left out.
   */
  readonly checkIgnore?: OneOrMore<string>;
  /** `EXPR`: that must hold, else exit 99: `response:p(99)<20ms`, `errors:rate<0.1%` (CI). */
  readonly threshold?: OneOrMore<string>;
  /**
   * `FILE`: with an earlier result that relative thresholds count from: `response:p(99)<+10%` (CI).
   */
  readonly baseline?: string;
  /**
   * `T`: after which the run ends as soon as a threshold does not hold, with 99; `0`: at any time.
   * Thresholds that may still come to hold, and those of a window, are judged at the end. Default:
   * thresholds are judged at the end.
   */
  readonly abortOnFail?: string;
  /**
   * `[HOST:]PORT`: serves `/metrics` to Prometheus while the run goes on, to whoever can reach the
   * address; 127.0.0.1 without a HOST.
   */
  readonly metrics?: OptionValue;
  /** Aborting it is the first Ctrl-C: nothing more starts, what is open is closed, there is a result. */
  readonly signal?: AbortSignal;
}
