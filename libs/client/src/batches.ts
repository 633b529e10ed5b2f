/** What goes in one request: fewer and smaller than a server takes, so that a try that fails costs little. */

const EVENTS_MAX = 500;
const BYTES_MAX = 4 * 1024 * 1024;

export interface Batch {
  /** Of its events among all, one after the other. */
  readonly indexes: readonly number[];
  /** Their JSON. */
  readonly texts: readonly string[];
}

/** In order. What is larger than a batch may be goes by itself. */
export function batchesOf(texts: readonly string[]): readonly Batch[] {
  const batches: { indexes: number[]; texts: string[] }[] = [];
  let bytes = 0;
  for (const [index, text] of texts.entries()) {
    // With the comma or bracket before it.
    const size = bytesIn(text) + 1;
    const open = batches.at(-1);
    if (open === undefined || open.texts.length === EVENTS_MAX || bytes + size >= BYTES_MAX) {
      batches.push({ indexes: [index], texts: [text] });
      bytes = size;
    } else {
      open.indexes.push(index);
      open.texts.push(text);
      bytes += size;
    }
  }
  return batches;
}

const encoder = new TextEncoder();
const bytesIn = (text: string): number => encoder.encode(text).length;
