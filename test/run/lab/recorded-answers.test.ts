import { describe, expect, test } from 'vitest';
import { RecordedAnswers, RecordedConversation } from '../../../src/run/lab/recorded-answers.ts';
import { StreamView } from '../../../src/session/script/stream-view.ts';
import { handMade, type SessionSpec } from '../../helpers/scripts.ts';

const HTTP: SessionSpec = {
  said: [
    { from: 'client', text: 'GET /a' },
    { from: 'server', text: 'answer a' },
    { from: 'client', text: 'GET /b' },
    { from: 'server', text: 'answer b' },
  ],
};
const OTHER: SessionSpec = {
  said: [
    { from: 'client', text: 'GET /a' },
    { from: 'server', text: 'answer a' },
    { from: 'client', text: 'GET /longer' },
    { from: 'server', text: 'another' },
  ],
  end: 'server',
};
const GREETING: SessionSpec = {
  said: [
    { from: 'server', text: 'hello' },
    { from: 'client', text: 'EHLO' },
    { from: 'server', text: 'ok' },
  ],
  end: 'server-rst',
};

function converse(specs: readonly SessionSpec[]) {
  const { scripts, capture } = handMade(specs, 3);
  const read = (offset: number, into: Uint8Array): void => capture.read(offset, into);
  const views = {
    client: new StreamView(scripts.client, read),
    server: new StreamView(scripts.server, read),
  };
  const conversation = new RecordedConversation(new RecordedAnswers(scripts, views));
  const text = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString('latin1');
  return {
    opened: text(conversation.onOpen()),
    say: (octets: string) => text(conversation.onOctets(Buffer.from(octets, 'latin1'))),
    end: (hasClientEnded: boolean) => conversation.endOf(hasClientEnded),
    forget: (pattern: RegExp) => conversation.forgetUnknown(pattern),
  };
}

describe('the recorded server', () => {
  test('answers each message of a session as it was answered', () => {
    const { opened, say, end } = converse([HTTP]);
    expect(opened).toBe('');
    expect(say('GET /a')).toBe('answer a');
    expect(end(false)).toBe('open');
    expect(say('GET /b')).toBe('answer b');
    expect(end(false)).toBe('open');
    expect(end(true)).toBe('fin');
  });

  test.each([1, 2, 3, 4, 5, 6, 7])('whatever pieces of %i octets they come in', (bytes) => {
    const { say } = converse([HTTP]);
    const octets = 'GET /aGET /b';
    let said = '';
    for (let at = 0; at < octets.length; at += bytes) said += say(octets.slice(at, at + bytes));
    expect(said).toBe('answer aanswer b');
  });

  test('finds the session that goes on as the client does', () => {
    const { say, end } = converse([HTTP, OTHER]);
    expect(say('GET /a')).toBe('answer a');
    expect(say('GET /longer')).toBe('another');
    expect(end(false)).toBe('fin');
  });

  test('takes messages up anywhere in the capture, and again', () => {
    const { say } = converse([HTTP]);
    expect(say('GET /b')).toBe('answer b');
    expect(say('GET /bGET /a')).toBe('answer banswer a');
  });

  test('greets where the server spoke first, and ends as it did', () => {
    const { opened, say, end } = converse([GREETING]);
    expect(opened).toBe('hello');
    expect(end(false)).toBe('open');
    expect(say('EHLO')).toBe('ok');
    expect(end(false)).toBe('rst');
  });

  test('waits where nothing of the capture begins so, and forgets it when it is told to', () => {
    const { say, end, forget } = converse([HTTP]);
    expect(say('GET /c')).toBe('');
    expect(forget(/POST/)).toBe(false);
    expect(forget(/GET/)).toBe(true);
    expect(say('GET /a')).toBe('answer a');
    expect(end(true)).toBe('fin');
  });
});
