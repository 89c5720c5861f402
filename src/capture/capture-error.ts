import { ReplayError } from '../base/errors.ts';

/**
 * Stable codes: nothing in it, no capture, a version that is not read, what cannot be unpacked,
 * damage.
 */
export type CaptureErrorCode =
  | 'ERR_CAPTURE_EMPTY'
  | 'ERR_CAPTURE_FORMAT'
  | 'ERR_CAPTURE_VERSION'
  | 'ERR_CAPTURE_UNPACK'
  | 'ERR_CAPTURE_DAMAGED';

/** What a CaptureError says; `offset` is in octets from the file's start. */
export interface CaptureErrorOptions {
  readonly code: CaptureErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly offset: number;
}

/** A capture file breaks its own format; nothing after `offset` can be trusted. */
export class CaptureError extends ReplayError {
  override readonly name: string = 'CaptureError';
  declare readonly code: CaptureErrorCode;
  /** Where the file goes wrong, in octets from its start. */
  readonly offset: number;

  constructor({ code, message, hint, offset }: CaptureErrorOptions) {
    super({ code, kind: 'capture', message, hint });
    this.offset = offset;
  }
}
