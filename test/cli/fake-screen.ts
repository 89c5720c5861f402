/** What a terminal shows of what is written to it. */

/** One control sequence (ECMA-48), one control character, or a run of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about control characters.
const PIECES = /\u001b\[\??(\d*)([A-Za-z])|\r|\n|[^\u001b\r\n]+/g;

/** A terminal of so many columns and rows; lines that leave it at the top are kept. */
export class FakeScreen {
  readonly stream: NodeJS.WriteStream;
  /** How often something was written. */
  writes = 0;
  readonly modes = { wraps: true, showsCursor: true };
  readonly #rows: number;
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.#rows = rows;
    const write = (text: string): boolean => this.#write(text);
    this.stream = { isTTY: true, columns, rows, write } as unknown as NodeJS.WriteStream;
  }

  /** What was ever shown and not erased, without the cursor's own empty line at the end. */
  lines(): string[] {
    const lines = this.#lines.map((line) => line.trimEnd());
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  /** Breaks the lines anew, as terminals do: the cursor, at a line's first character, stays with it. */
  resize(columns: number): void {
    const broken = this.#lines.map((line) => {
      const pieces: string[] = [];
      const text = line.trimEnd();
      for (let i = 0; i === 0 || i < text.length; i += columns)
        pieces.push(text.slice(i, i + columns));
      return pieces;
    });
    this.#row = broken.slice(0, this.#row).flat().length;
    this.#lines = broken.flat();
    Object.assign(this.stream, { columns });
  }

  #write(text: string): boolean {
    if (text === '') return true;
    this.writes++;
    for (const [piece, number = '', final] of text.matchAll(PIECES)) {
      if (final !== undefined) this.#control(piece, final, number);
      else if (piece === '\r') this.#column = 0;
      else if (piece === '\n') this.#feed();
      else this.#put(piece);
    }
    return true;
  }

  #feed(): void {
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push('');
  }

  #put(text: string): void {
    const line = this.#line().padEnd(this.#column);
    this.#lines[this.#row] =
      line.slice(0, this.#column) + text + line.slice(this.#column + text.length);
    this.#column += text.length;
    if (this.#column >= this.stream.columns) throw new Error(`as long as the screen: ${text}`);
  }

  #control(piece: string, final: string, number: string): void {
    const top = Math.max(0, this.#lines.length - this.#rows);
    if (piece.startsWith('\u001b[?')) this.#mode(piece);
    else if (final === 'A') this.#row = Math.max(top, this.#row - Number(number || 1));
    else if (final === 'G') this.#column = Number(number || 1) - 1;
    else if (final === 'K') this.#lines[this.#row] = number === '2' ? '' : this.#kept();
    else if (final === 'J' && Number(number) === 0) {
      this.#lines = [...this.#lines.slice(0, this.#row), this.#kept()];
    } else throw new Error(`unknown control sequence ${JSON.stringify(piece)}`);
  }

  #mode(piece: string): void {
    const isOn = piece.endsWith('h');
    if (piece.startsWith('\u001b[?7')) this.modes.wraps = isOn;
    else if (piece.startsWith('\u001b[?25')) this.modes.showsCursor = isOn;
    else throw new Error(`unknown mode ${JSON.stringify(piece)}`);
  }

  #line(): string {
    return this.#lines[this.#row] ?? '';
  }

  #kept(): string {
    return this.#line().slice(0, this.#column);
  }
}
