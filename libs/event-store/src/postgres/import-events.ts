/** Puts the events of another log into an empty one in PostgreSQL as they are: ids, positions, times and bytes. */
import { arrayOf } from '@carelog/postgres';
import type { ClientBase } from 'pg';
import { encodeEnvelopeText } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import { StoreFault } from '../store-fault.ts';
import { checksumOf } from './log-queries.ts';
import { checkedName } from './schema.ts';

/**
 * Resolves with the head once everything is on disk. `owner`: a connection of the log's owner, while nobody appends. An
 * import that was interrupted goes on after what is there. Throws a `damaged` `StoreFault` where the log holds other events.
 */
export async function importEvents(
  owner: Pick<ClientBase, 'query'>,
  events: AsyncIterable<readonly RecordedEvent[]>,
  { schema = 'log' }: { readonly schema?: string } = {},
): Promise<number> {
  checkedName(schema);
  let head = await headOf(owner, schema);
  const begun = head;
  for await (const page of events) {
    const known = page.filter(({ position }) => position <= begun);
    if (known.length > 0) await compare(owner, schema, known);
    const added = page.slice(known.length);
    if (added.length === 0) continue;
    await record(owner, schema, head, added);
    head = added.at(-1)!.position;
  }
  return head;
}

async function headOf(owner: Pick<ClientBase, 'query'>, schema: string): Promise<number> {
  const { rows } = await owner.query<{ head: string }>(
    `SELECT coalesce(max(position), 0) AS head FROM ${schema}.entry`,
  );
  return Number(rows[0]!.head);
}

async function compare(
  owner: Pick<ClientBase, 'query'>,
  schema: string,
  events: readonly RecordedEvent[],
): Promise<void> {
  const { rows } = await owner.query<{ position: string; envelope: string; content: Buffer }>(
    `SELECT position, envelope, content FROM ${schema}.event WHERE position BETWEEN $1 AND $2 ORDER BY position`,
    [events[0]!.position, events.at(-1)!.position],
  );
  for (const [index, event] of events.entries()) {
    const row = rows[index];
    const isSame =
      row?.envelope === encodeEnvelopeText(event) && Buffer.compare(row.content, event.content) === 0;
    if (!isSame) {
      throw new StoreFault(
        'damaged',
        `The log in schema ${schema} holds another event at position ${event.position} than the one to be imported. Import into an empty database.`,
      );
    }
  }
}

/** By the function that services record with: it refuses what does not follow on the head. */
async function record(
  owner: Pick<ClientBase, 'query'>,
  schema: string,
  head: number,
  events: readonly RecordedEvent[],
): Promise<void> {
  const envelopes = events.map(encodeEnvelopeText);
  const text = (values: readonly string[]) => arrayOf('text', values);
  await owner.query(
    `SELECT ${schema}.record($1, $2::text[]::uuid[], $3::text[], $4, $5::text[], $6::text[], $7::bytea[], $8)`,
    [
      head,
      text(events.map(({ id }) => id)),
      text(events.map(({ stream }) => stream)),
      `{${events.map(({ revision }) => revision).join()}}`,
      text(events.map(({ partition }) => partition)),
      text(envelopes),
      arrayOf(
        'bytea',
        events.map(({ content }) => content),
      ),
      `{${events.map(({ content }, index) => checksumOf(envelopes[index]!, content)).join()}}`,
    ],
  );
}
