/** A framer for answers whose ends it does not tell itself. */
import { type AnswerFramer, Framer } from '../protocol/framer.ts';

/** An answer all of whose octets are its own: where it ends others say. */
export class WholeAnswer extends Framer implements AnswerFramer {
  codeText(): string {
    return '';
  }

  protected override read(_data: DataView, _at: number, end: number): number {
    return end;
  }
}
