/**
 * Takes a JSON object apart while its bytes arrive, without building it: every member as the text it is, and the array
 * of one member element by element. So a file larger than memory can be read, and numbers stay as they were written.
 * It follows brackets and strings only; whether a text is JSON is for whoever parses it.
 */

export type Piece =
  | { readonly kind: 'member'; readonly name: string; readonly text: string }
  | { readonly kind: 'element'; readonly name: string; readonly index: number; readonly text: string };

/** Largest single member or element, in bytes. */
export const PIECE_LIMIT = 64 * 1024 * 1024;

/** The file is not one JSON object; the message says how. */
export class NotAnObject extends Error {}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [COMMA, COLON, OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [
  0x2c, 0x3a, 0x7b, 0x7d, 0x5b, 0x5d,
];

export class ObjectScanner {
  readonly #elementsOf: string;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  /** Depth at which a comma or a closing bracket ends what is being read: 1 for members, 2 for elements. */
  #level = 1;
  #name: string | undefined;
  #index = 0;
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** `elementsOf`: the member whose array is given out element by element. */
  constructor(elementsOf: string) {
    this.#elementsOf = elementsOf;
  }

  /** What became complete with these bytes. Throws `NotAnObject`. */
  *push(bytes: Buffer): Generator<Piece> {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (this.#depth === 0) {
          this.#open(byte, bytes, from, at);
          from = at + 1;
        } else if (this.#beginsElements(byte, bytes, from, at)) {
          from = at + 1;
          this.#level = 2;
          this.#index = 0;
        }
        this.#depth++;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        if (this.#depth === this.#level) {
          yield* this.#finish(this.#take(bytes, from, at));
          from = at + 1;
          if (this.#level === 2) this.#level = 1;
          else this.#ended = true;
        }
        this.#depth--;
      } else if (byte === COMMA && this.#depth === this.#level) {
        yield* this.#finish(this.#take(bytes, from, at));
        from = at + 1;
      } else if (byte === COLON && this.#depth === 1 && this.#name === undefined) {
        this.#name = nameOf(this.#take(bytes, from, at));
        from = at + 1;
      }
    }
    this.#hold(bytes.subarray(from));
  }

  /** Call when there are no more bytes. Throws `NotAnObject` when the object has not ended. */
  end(): void {
    if (!this.#ended) throw new NotAnObject('The file ends in the middle of its JSON object, or holds none.');
    if (Buffer.concat(this.#held).toString().trim() !== '')
      throw new NotAnObject('The file goes on after its JSON object.');
  }

  #open(byte: number, bytes: Buffer, from: number, at: number): void {
    const before = this.#take(bytes, from, at)
      .replace(/^\uFEFF/, '')
      .trim();
    if (byte === OPEN_ARRAY)
      throw new NotAnObject('The file is a JSON array. Give one resource or Bundle, or one a line.');
    if (before !== '') throw new NotAnObject('The file is not JSON.');
    if (this.#ended)
      throw new NotAnObject(
        'The file holds more than one JSON object. Name it .ndjson when there is one a line.',
      );
  }

  #beginsElements(byte: number, bytes: Buffer, from: number, at: number): boolean {
    if (byte !== OPEN_ARRAY || this.#depth !== 1 || this.#name !== this.#elementsOf) return false;
    return this.#take(bytes, from, at).trim() === '';
  }

  *#finish(text: string): Generator<Piece> {
    const value = text.trim();
    const name = this.#name;
    if (this.#level === 2) {
      if (value !== '') yield { kind: 'element', name: this.#elementsOf, index: this.#index++, text: value };
      return;
    }
    this.#name = undefined;
    if (name !== undefined && value !== '') yield { kind: 'member', name, text: value };
  }

  #take(bytes: Buffer, from: number, to: number): string {
    this.#hold(bytes.subarray(from, to));
    const text = this.#held.length === 1 ? this.#held[0]!.toString() : Buffer.concat(this.#held).toString();
    this.#held = [];
    this.#heldBytes = 0;
    return text;
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > PIECE_LIMIT)
      throw new NotAnObject('A single resource in this file is larger than 64 MB.');
    this.#held.push(bytes);
  }
}

/** The members of a JSON object as text, for example of an entry: `{"resource": …}` keeps the resource as it was written. */
export function membersOf(text: string): ReadonlyMap<string, string> {
  const scanner = new ObjectScanner('');
  const members = new Map<string, string>();
  for (const piece of scanner.push(Buffer.from(text)))
    if (piece.kind === 'member') members.set(piece.name, piece.text);
  return members;
}

function nameOf(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    throw new NotAnObject('The file is not JSON.');
  }
}
