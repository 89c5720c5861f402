/**
 * A picture of the terminal: runs a command on a pseudo-terminal and writes what it showed as SVG,
 * with its colours, readable on light and on dark pages.
 *
 *     node docs/picture.mjs docs/summary.svg gryphon replay fixtures/http-keepalive.pcap …
 *
 * `gryphon` is this folder's own build, the terminal is 80 columns wide. The terminal is that of util-linux' `script`; what goes to
 * stderr (progress) is left out.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../bin/gryphon.js', import.meta.url));
/** The width of a terminal that nobody has made wider. */
const COLUMNS = 80;
const FONT_SIZE = 13;
const CHARACTER_WIDTH = 7.8;
const LINE_HEIGHT = 18;
const PADDING = 16;
/** The colours that a terminal's default scheme and a page's two schemes have in common names. */
const STYLE = `
  .page { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; }
  .bold { font-weight: bold; } .prompt { fill: #59636e; }
  .red { fill: #cf222e; } .green { fill: #1a7f37; } .yellow { fill: #9a6700; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d; } text { fill: #e6edf3; }
    .prompt { fill: #9198a1; }
    .red { fill: #ff7b72; } .green { fill: #3fb950; } .yellow { fill: #d29922; }
  }`;
/** Select Graphic Rendition (ECMA-48, 8.3.117), and a code of our own for the prompt's line. */
const CONTROL = /(\u001b\[(?:[\d;]+|prompt)m)/;
const CLASS_OF_CODE = new Map([
  ['1', 'bold'],
  ['31', 'red'],
  ['32', 'green'],
  ['33', 'yellow'],
]);

const [file, ...words] = process.argv.slice(2);
if (file === undefined || words[0] !== 'gryphon') {
  process.stderr.write('usage: node docs/picture.mjs FILE.svg gryphon ARGUMENT…\n');
  process.exit(2);
}
const typed = typedLines(words.map(quoted)).map((line) => `\u001b[promptm${line}\u001b[0m`);
const lines = [...typed, '', ...screenOf(words)];
writeFileSync(file, pictureOf(lines));

/** The command as it is typed: what does not fit goes on in the next line, an option with its value. */
function typedLines(quotedWords) {
  const typed = ['$'];
  for (const word of quotedWords.join(' ').split(/ (?=-)/)) {
    const line = typed.at(-1);
    if (line.length + word.length + 3 <= COLUMNS) typed.splice(-1, 1, `${line} ${word}`);
    else typed.splice(-1, 1, `${line} \\`, `    ${word}`);
  }
  return typed;
}

/** The lines that the command shows on a terminal's stdout. */
function screenOf([, ...args]) {
  const line = [process.execPath, COMMAND, ...args].map(quoted).join(' ');
  const { CI: _ci, NO_COLOR: _noColor, ...env } = process.env;
  const ran = spawnSync('script', ['-qec', `stty columns ${COLUMNS} rows 100; ${line} 2>/dev/null`, '/dev/null'], {
    encoding: 'utf8',
    env: { ...env, TERM: 'xterm' },
  });
  if (ran.error !== undefined) throw ran.error;
  return ran.stdout.replace(/\r/g, '').trimEnd().split('\n');
}

function pictureOf(all) {
  const columns = Math.max(...all.map((line) => plain(line).length));
  const width = Math.ceil(columns * CHARACTER_WIDTH + 2 * PADDING);
  const height = all.length * LINE_HEIGHT + 2 * PADDING;
  const texts = all.flatMap((line, row) => textOf(line, row));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(plain(all[0]))} …</title>
<style>${STYLE}
  text { font: ${FONT_SIZE}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
</style>
<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
${texts.join('\n')}
</svg>
`;
}

/** One element a stretch of one style; its length is fixed, so that columns stay whatever the font. */
function textOf(line, row) {
  const texts = [];
  const y = PADDING + (row + 0.75) * LINE_HEIGHT;
  let column = 0;
  let style = '';
  for (const part of line.split(CONTROL)) {
    const code = CONTROL.exec(part)?.[1].slice(2, -1);
    if (code !== undefined) {
      style = code === 'prompt' ? code : (CLASS_OF_CODE.get(code) ?? '');
    } else if (part !== '') {
      const blank = /^ */.exec(part)?.[0].length ?? 0;
      const shown = part.trim();
      if (shown !== '') {
        const x = (PADDING + (column + blank) * CHARACTER_WIDTH).toFixed(1);
        const length = (shown.length * CHARACTER_WIDTH).toFixed(1);
        const styled = style === '' ? '' : ` class="${style}"`;
        const fit = `textLength="${length}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`;
        texts.push(`<text${styled} x="${x}" y="${y}" ${fit}>${escaped(shown)}</text>`);
      }
      column += part.length;
    }
  }
  return texts;
}

function plain(line) {
  return line.split(CONTROL).filter((part) => !CONTROL.test(part)).join('');
}

function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

function quoted(word) {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
