/** Where a recording's packets come from, and what stands before them in its files. */
import { ALL_INTERFACES } from '../../io/receive/packet-ring.ts';
import { findInterface, readInterfaces } from '../../io/way/interfaces.ts';

/** Packets begin at their IP header. */
const LINKTYPE_RAW = 101;
/** Linux cooked capture, version 2: a header that says by which interface a packet came. */
const LINKTYPE_LINUX_SLL2 = 276;

/** One interface, or all of them. */
export interface RecordedLink {
  readonly interfaceIndex: number;
  /** On a loopback interface each packet is seen as it leaves and as it comes in: once is enough. */
  readonly isIncomingOnly: boolean;
  /** Of all interfaces, the one where this holds for it alone; null: none, or it is the only one. */
  readonly loopbackIndex: number | null;
  readonly linkType: number;
  /** What the numbers of interfaces in the packets' headers mean; null: there are none. */
  readonly description: string | null;
}

/**
 * The interface of that name; `any` is all that there are and will be.
 * @throws ReplayError ERR_IO_NO_INTERFACE, ERR_IO_INTERFACE_DOWN, ERR_IO_NO_IP_COMMAND
 */
export function findRecordedLink(name: string): RecordedLink {
  const all = readInterfaces();
  if (name !== 'any') {
    const { index, linkType } = findInterface(name, all);
    const isIncomingOnly = linkType === 'loopback';
    const one = { interfaceIndex: index, isIncomingOnly, loopbackIndex: null };
    return { ...one, linkType: LINKTYPE_RAW, description: null };
  }
  return {
    interfaceIndex: ALL_INTERFACES,
    isIncomingOnly: false,
    loopbackIndex: all.find(({ linkType }) => linkType === 'loopback')?.index ?? null,
    linkType: LINKTYPE_LINUX_SLL2,
    description: all.map(({ index, name: each }) => `${index} ${each}`).join(', '),
  };
}
