/** Whether the log in PostgreSQL is what was written: for operators, after a restore and now and then. */
import { decodeEnvelope } from '../envelope-bytes.ts';
import type { Head } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import { loadDriver, placeOf } from './connection.ts';
import type { Client } from './connection.ts';
import { checksumOf, LogQueries } from './log-queries.ts';
import { faultOf } from './postgres-fault.ts';
import { checkedName } from './schema.ts';

const eventsAtOnce = 500;

interface Row {
  readonly position: number;
  readonly envelope: string;
  readonly content: Uint8Array;
  readonly checksum: number;
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  readonly partition: string;
  readonly previous_revision: number;
  readonly previous_in_partition: number;
}

/**
 * Reads every event up to the head that it gives: positions dense, checksums right, each event in the directory as its
 * envelope says, each stream and each partition a chain. Throws a `damaged` `StoreFault` that names the first position
 * where this fails, `io` where the log cannot be read. Others may append meanwhile.
 */
export async function verifyPostgresEventStore({
  url,
  schema = 'log',
}: {
  readonly url: string;
  readonly schema?: string;
}): Promise<Head> {
  const place = placeOf(url, checkedName(schema));
  const client = (await loadDriver(url, 'carelog verify')).client({});
  try {
    await client.connect();
    const head = await new LogQueries(schema, place).head((statement) => client.query(statement));
    await verifyEvents(client, schema, place, head.position);
    return { position: head.position, epoch: head.epoch };
  } catch (error) {
    throw faultOf(error, place);
  } finally {
    await client.end();
  }
}

async function verifyEvents(client: Client, schema: string, place: string, head: number): Promise<void> {
  const text = `
    SELECT v.position, v.envelope, v.content, v.checksum, e.id, e.stream, e.revision, e.partition,
      coalesce((SELECT max(b.revision) FROM ${schema}.entry b WHERE b.stream = e.stream AND b.revision < e.revision), 0) AS previous_revision,
      coalesce((SELECT max(b.position) FROM ${schema}.entry b WHERE b.partition = e.partition AND b.position < e.position), 0) AS previous_in_partition
    FROM ${schema}.event v LEFT JOIN ${schema}.entry e USING (position)
    WHERE v.position > $1 ORDER BY v.position LIMIT ${eventsAtOnce}`;
  for (let verified = 0; verified < head;) {
    const { rows } = await client.query<Row>({ name: 'verify', text, values: [verified] });
    if (rows.length === 0) throw damagedAt(place, verified + 1, 'is missing');
    for (const row of rows) {
      if (row.position !== ++verified) throw damagedAt(place, verified, 'is missing');
      const wrong = whatIsWrong(row);
      if (wrong) throw damagedAt(place, row.position, wrong);
    }
  }
}

function whatIsWrong(row: Row): string | undefined {
  if (checksumOf(row.envelope, row.content) !== row.checksum)
    return 'is not what was written: its checksum differs';
  const envelope = decodeEnvelope(Buffer.from(row.envelope));
  const filed = (['position', 'id', 'stream', 'revision', 'partition'] as const).every(
    (key) => row[key] === envelope[key],
  );
  if (!filed) return 'is filed under another id, stream, revision or partition than its own';
  if (row.previous_revision !== row.revision - 1) return `follows a gap in its stream`;
  if (row.previous_in_partition !== envelope.previousInPartition) {
    return 'names another event than the one before it in its partition';
  }
  return undefined;
}

function damagedAt(place: string, position: number, what: string): StoreFault {
  return new StoreFault(
    'damaged',
    `The log at ${place} is damaged: event ${position} ${what}. Restore it from a backup.`,
  );
}
