/**
 * A time in a place of its own. V8 makes an object of 16 octets of a number above 2^31, or with a fraction, wherever it is
 * handed to a function that is not inlined; of one that is read from here where it is used it makes none. So what happens for
 * each packet reads its time here.
 */
export class Instant {
  /**
   * In ns since the start of the run. Set here, and to no integer: V8 keeps a field in place as long as it has held nothing else
   * than fractions, and a field that is only declared holds `undefined` first.
   */
  ns = -0;

  constructor(ns = -0) {
    this.ns = ns;
  }
}
