/** Reads a stream of Server-Sent Events, in whatever pieces it comes. https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */

/** What stands between two empty lines. */
export interface Block {
  /** Where the stream goes on after this block; the last that was said, by this block or one before it. */
  readonly id: string;
  readonly event: string;
  /** Absent where the block is no event. */
  readonly data?: string;
}

export interface SseParser {
  /** The blocks that end in this piece. Throws a `RangeError` where a line or an event is longer than any may be. */
  push(piece: Uint8Array): readonly Block[];
  /** Milliseconds that the server asks to wait before connecting again; undefined where it does not. */
  readonly retryMs: number | undefined;
}

const LINE_MAX = 1024 * 1024;
const DATA_MAX = 4 * 1024 * 1024;

export function createSseParser(): SseParser {
  // Drops a byte order mark at the beginning.
  const decoder = new TextDecoder();
  let rest = '';
  let skipsLineFeed = false;
  let retryMs: number | undefined;
  let [id, event, isMore] = ['', '', false];
  let data: string[] = [];
  let length = 0;

  function line(text: string, blocks: Block[]): void {
    if (text === '') {
      if (isMore) blocks.push({ id, event: event === '' ? 'message' : event, ...(data.length > 0 && { data: data.join('\n') }) }); // prettier-ignore
      [event, data, length, isMore] = ['', [], 0, false];
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') {
      length += value.length + 1;
      if (length > DATA_MAX) throw new RangeError('An event is longer than any may be.');
      data.push(value);
      isMore = true;
    } else if (name === 'event') event = value;
    else if (name === 'id' && !value.includes('\0')) [id, isMore] = [value, true];
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) retryMs = Number(value);
  }

  return {
    push(piece) {
      const blocks: Block[] = [];
      let text = decoder.decode(piece, { stream: true });
      if (skipsLineFeed && text !== '') {
        if (text[0] === '\n') text = text.slice(1);
        skipsLineFeed = false;
      }
      let start = 0;
      for (let at = 0; at < text.length; at += 1) {
        const char = text.charCodeAt(at);
        if (char !== LINE_FEED && char !== CARRIAGE_RETURN) continue;
        if (rest.length + at - start > LINE_MAX) throw new RangeError(LINE_TOO_LONG);
        line(rest + text.slice(start, at), blocks);
        rest = '';
        if (char === CARRIAGE_RETURN) {
          if (at + 1 === text.length) skipsLineFeed = true;
          else if (text.charCodeAt(at + 1) === LINE_FEED) at += 1;
        }
        start = at + 1;
      }
      rest += text.slice(start);
      if (rest.length > LINE_MAX) throw new RangeError(LINE_TOO_LONG);
      return blocks;
    },
    get retryMs() {
      return retryMs;
    },
  };
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const LINE_TOO_LONG = 'A line of the stream is longer than any may be.';
