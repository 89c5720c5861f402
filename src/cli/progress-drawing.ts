/**
 * Lines that are redrawn in place on a terminal, by cli-progress' multi-bar.
 *
 * Between two drawings the cursor stands at the first character of the first line, and all of them lie
 * behind it: where a window becomes narrower the terminal breaks lines into several, but the cursor
 * stays with the character that it is on. So what is written meanwhile begins at the start of a line.
 */
import type { MultiBar } from 'cli-progress';

type CliProgress = typeof import('cli-progress');

/** Erase from the cursor to the end of the screen (ECMA-48, 8.3.39). */
const CLEAR_BEHIND = '\u001b[J';
/**
 * Save and restore the cursor (DECSC, DECRC), and up (CUU, ECMA-48, 8.3.22): where it was, and how
 * many lines above, is no longer true when the window has changed.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about control characters.
const CURSOR_MOVE = /^\u001b(?:[78]|\[\d+A)$/;

/** Where a terminal does not say. */
const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

/** The lines that stand on a terminal now. */
export class ProgressDrawing {
  readonly #library: CliProgress;
  readonly #stream: NodeJS.WriteStream;
  #bars: MultiBar | null = null;
  #lines: readonly string[] = [];
  /** What the library writes of the frame in the making; `null` between frames. */
  #frame: string | null = null;
  /** The frame that is on the terminal, and the width it was written for. */
  #drawn = '';

  constructor(library: CliProgress, stream: NodeJS.WriteStream) {
    this.#library = library;
    this.#stream = stream;
  }

  /** Columns and rows of the terminal, as it is now. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = this.#stream;
    return { columns: columns || COLUMNS_DEFAULT, rows: rows || ROWS_DEFAULT };
  }

  /** Draws these lines, of which none may be as long as the terminal is wide, in the place of those before. */
  show(lines: readonly string[]): void {
    if (this.#bars === null || lines.length !== this.#lines.length) {
      this.clear();
      this.#lines = lines;
      this.#bars = this.#open();
    }
    this.#lines = lines;
    this.#bars.update();
  }

  /** Takes the lines away; harmless when called again. */
  clear(): void {
    if (this.#bars === null) return;
    this.#stream.write(CLEAR_BEHIND);
    this.#bars.stop();
    this.#bars = null;
    this.#drawn = '';
  }

  #open(): MultiBar {
    const bars = new this.#library.MultiBar({
      stream: this.#framed(),
      clearOnComplete: true,
      // A frame is begun on an empty screen, so that each line of it must be written.
      forceRedraw: true,
      hideCursor: null,
      // Signals are ours: the library would take the lines away and leave the run without them.
      gracefulExit: false,
    });
    bars.on('update-pre', () => {
      this.#frame = '';
    });
    bars.on('redraw-post', () => this.#draw());
    for (const index of this.#lines.keys()) {
      bars.create(1, 0, {}, { format: () => this.#lines[index] ?? '' });
    }
    return bars;
  }

  /** In one write, so that no terminal shows half of it, and only where something has changed. */
  #draw(): void {
    const frame = this.#frame ?? '';
    this.#frame = null;
    const drawn = `${this.size.columns} ${frame}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const above = this.#lines.length - 1;
    this.#stream.write(`${CLEAR_BEHIND}${frame}${above > 0 ? `\u001b[${above}A` : ''}\r`);
  }

  /** The parts of a terminal that the library uses: frames are gathered, its own moves left out. */
  #framed(): NodeJS.WriteStream {
    const size = () => this.size;
    const parts = {
      isTTY: true,
      get columns() {
        return size().columns;
      },
      write: (text: string): boolean => {
        if (CURSOR_MOVE.test(text)) return true;
        if (this.#frame === null) return this.#stream.write(text);
        this.#frame += text;
        return true;
      },
    };
    return parts as unknown as NodeJS.WriteStream;
  }
}
