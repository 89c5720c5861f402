/** Compressed bodies of requests (RFC 9110, section 8.4): unpacked before the run, packed again when they are written. */
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib';
import { octetsOfText, textOf } from '../octet-text.ts';
import { fieldOf, type RecordedRequest } from './recorded-requests.ts';

/** How a body is packed. */
export type Packing = 'gzip' | 'zlib' | 'deflate' | 'br';

/** What is longer unpacked stays as it was recorded: it is kept for each request that is written anew. */
const PLAIN_BYTES_MAX = 1 << 20;

interface Packer {
  readonly pack: (octets: Uint8Array) => Uint8Array;
  readonly unpack: (
    octets: Uint8Array,
    options: { readonly maxOutputLength: number },
  ) => Uint8Array;
}

const PACKERS: Readonly<Record<Packing, Packer>> = {
  gzip: { pack: gzipSync, unpack: gunzipSync },
  zlib: { pack: deflateSync, unpack: inflateSync },
  deflate: { pack: deflateRawSync, unpack: inflateRawSync },
  br: { pack: brotliCompressSync, unpack: brotliDecompressSync },
};

/** What is called deflate is zlib's format, or, wrongly and often, bare deflate. */
const PACKINGS = new Map<string, readonly Packing[]>([
  ['gzip', ['gzip']],
  ['x-gzip', ['gzip']],
  ['deflate', ['zlib', 'deflate']],
  ['br', ['br']],
]);

/** A request with its body unpacked; itself where that is not packed, or not to be unpacked whole. */
export function unpackedRequest(request: RecordedRequest): RecordedRequest {
  const coding = fieldOf(request.fields, 'content-encoding')?.trim().toLowerCase() ?? '';
  for (const packing of request.body === '' ? [] : (PACKINGS.get(coding) ?? [])) {
    try {
      const options = { maxOutputLength: PLAIN_BYTES_MAX };
      const plain = PACKERS[packing].unpack(octetsOfText(request.body), options);
      const packed = { packing, bytes: request.body.length };
      return { ...request, body: textOf(plain), packed };
    } catch {
      // It is packed otherwise, broken, or too long.
    }
  }
  return request;
}

/** A body as its request has it. @param plain octets as text, like what is given */
export const packedText = (plain: string, packing: Packing): string =>
  textOf(PACKERS[packing].pack(octetsOfText(plain)));
