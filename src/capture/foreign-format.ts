/**
 * What files are that are no captures, by how they begin: so that whoever tries one is told what it
 * is, and what to do with it.
 */

/** As much of a file as tells what it is: a tar names itself at octet 257. */
export const FOREIGN_HEAD_BYTES = 512;

/** A sort of file, and what can be done with it. */
export interface ForeignFormat {
  /** What it is, as the end of a sentence: "it is …". */
  readonly what: string;
  readonly hint: string;
}

const TAR_MAGIC_AT = 257;

/** `${…} | gryphon inspect -` with a command that writes a capture. */
const piped = (command: string): string => `pipe it in: \`${command} | gryphon inspect -\``;
const editcap = 'convert it with `editcap -F pcap FILE x.pcap`';
const archive = (what: string, command: string): ForeignFormat => ({
  what,
  hint: `if there is a capture in it, ${piped(command)}`,
});
const packed = (name: string, command: string): ForeignFormat => ({
  what: `compressed with ${name}, which is not unpacked here`,
  hint: piped(command),
});
const record = 'record packets with `tcpdump -s 0 -w x.pcap tcp port 80`';

/** Octets at the beginning, as text with one character an octet. */
const BY_MAGIC: readonly (readonly [magic: string, format: ForeignFormat])[] = [
  ['\xfd7zXZ\0', packed('xz', 'xz -dc FILE')],
  ['BZh', packed('bzip2', 'bzip2 -dc FILE')],
  ['\x04\x22\x4d\x18', packed('lz4', 'lz4 -dc FILE')],
  ['LZIP', packed('lzip', 'lzip -dc FILE')],
  ['\x1f\x9d', packed('compress', 'zcat FILE')],
  ['\xce\xb2\xcf\x81', packed('brotli', 'brotli -dc FILE')],
  ['PK\x03\x04', archive('a zip archive', 'unzip -p FILE')],
  ['PK\x05\x06', archive('an empty zip archive', 'unzip -p FILE')],
  ['7z\xbc\xaf\x27\x1c', archive('a 7z archive', '7z x -so FILE')],
  ['Rar!', archive('a rar archive', 'unrar p -inul FILE')],
  ['snoop\0\0\0', { what: 'a capture of snoop', hint: editcap }],
  ['GMBU', { what: 'a capture of Microsoft Network Monitor', hint: editcap }],
  ['RTSS', { what: 'a capture of Microsoft Network Monitor', hint: editcap }],
  ['TRSNIFF data', { what: 'a capture of Sniffer', hint: editcap }],
  ['XCP\0', { what: 'a capture of NetXRay', hint: editcap }],
  ['\x7fvNA', { what: 'a capture of EtherPeek', hint: editcap }],
  ['btsnoop\0', { what: 'a capture of Bluetooth', hint: `${record} where the clients are` }],
  ['gryphon-index/', { what: 'the index of a capture', hint: 'name the capture beside it' }],
  [
    'version https://git-lfs',
    { what: 'a pointer to a file in Git LFS', hint: 'fetch it with `git lfs pull`' },
  ],
  ['%PDF-', { what: 'a PDF document', hint: record }],
  ['SQLite format 3\0', { what: 'a database', hint: record }],
  ['\x7fELF', { what: 'a program', hint: record }],
];

/** Text, once it is without the space in front. */
const BY_TEXT: readonly (readonly [pattern: RegExp, format: ForeignFormat])[] = [
  [
    /^\{\s*"log"\s*:/,
    {
      what: 'a HAR file: a browser writes requests there, not packets, so it cannot be replayed',
      hint: record,
    },
  ],
  [
    /^\{\s*"schema"\s*:\s*"gryphon\./,
    { what: 'a result of gryphon', hint: 'render it with `gryphon report FILE`' },
  ],
  [/^[[{]/, { what: 'JSON', hint: record }],
  [/^<\?xml|^<jmeterTestPlan/i, { what: 'XML', hint: record }],
  [/^<!doctype html|^<html/i, { what: 'a web page', hint: 'download the capture itself' }],
  [
    /^[123] [0-9a-f]{8,40} \d+/,
    { what: 'a file of GoReplay: requests without their packets', hint: record },
  ],
  [
    /^\d\d:\d\d:\d\d\.\d+ (?:IP6?|ARP)\b|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ IP/,
    { what: 'what tcpdump prints, not what it writes', hint: 'record with `tcpdump -w x.pcap`' },
  ],
  [
    /^0{4,8}\s+(?:[0-9a-f]{2}\s+){4}/i,
    { what: 'a hex dump', hint: 'convert it with `text2pcap FILE x.pcap`' },
  ],
];

/** What a file is that begins with these octets, of those that people try; else null. */
export function foreignFormatOf(head: Uint8Array): ForeignFormat | null {
  const text = String.fromCharCode(...head.subarray(0, FOREIGN_HEAD_BYTES));
  const known = BY_MAGIC.find(([magic]) => text.startsWith(magic));
  if (known !== undefined) return known[1];
  if (text.startsWith('ustar', TAR_MAGIC_AT)) {
    return archive('a tar archive', 'tar -xOf FILE NAME-IN-IT');
  }
  // A byte order mark may stand before text.
  const plain = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  return BY_TEXT.find(([pattern]) => pattern.test(plain))?.[1] ?? null;
}
