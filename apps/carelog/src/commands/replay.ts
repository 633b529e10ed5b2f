/** `carelog replay`: the events of one patient's partition in order, straight from the log, beside a running server or without one. */
import { StoreFault, openSqliteLogReader } from '@carelog/event-store';
import type { LogReader, RecordedEvent } from '@carelog/event-store';
import { KeyringFault, openKeyring } from '@carelog/keyring';
import type { Keyring } from '@carelog/keyring';
import { CommandFailure } from '../command-failure.ts';
import { dataPaths } from '../paths.ts';
import { settings } from './settings.ts';

export interface ReplayOptions {
  readonly patient: string;
  readonly content?: true;
  readonly json?: true;
}

/** Throws `CommandFailure` where there is no such log or no such patient. */
export async function replay(options: ReplayOptions): Promise<void> {
  const paths = dataPaths(settings().dataFolder);
  const id = options.patient.replace(/^Patient\//, '');
  const log = opened(() => openSqliteLogReader({ path: paths.log }));
  const keyring = options.content ? opened(() => openKeyring(paths.keyring, { readOnly: true })) : undefined;
  try {
    const [first] = await log.readStream(`Patient/${id}`, { limit: 1 });
    if (first === undefined) throw new CommandFailure(`The log at ${paths.log} holds no Patient/${id}.`);
    if (!options.json) process.stdout.write(`Partition ${first.partition}\n`);
    for await (const event of eventsOf(log, first.partition))
      process.stdout.write(`${described(event, options, keyring)}\n`);
  } finally {
    keyring?.close();
    await log.close();
  }
}

async function* eventsOf(log: LogReader, partition: string): AsyncGenerator<RecordedEvent> {
  for (let after = 0; ;) {
    const events = await log.readPartition(partition, { after, limit: 500 });
    if (events.length === 0) return;
    yield* events;
    after = events.at(-1)!.position;
  }
}

function described(event: RecordedEvent, { json }: ReplayOptions, keyring: Keyring | undefined): string {
  const content = keyring && contentOf(event, keyring);
  if (json) {
    const { content: _sealed, ...envelope } = event;
    return JSON.stringify({ ...envelope, ...content });
  }
  const { position, recordedAt, occurredAt, type, stream, revision, action, publisher } = event;
  const who = `${publisher.organisation} (${publisher.system})`;
  const head = `${String(position).padStart(8)}  recorded ${recordedAt}  occurred ${occurredAt}  ${type}  ${stream} #${revision}  ${action}  by ${who}`;
  if (content === undefined) return head;
  return `${head}\n          ${'unreadable' in content ? `cannot be opened: ${content.unreadable}` : JSON.stringify(content.content)}`;
}

function contentOf(event: RecordedEvent, keyring: Keyring): { content: unknown } | { unreadable: string } {
  const outcome = keyring.open(event);
  if (outcome.kind === 'unreadable') return { unreadable: outcome.reason };
  return { content: JSON.parse(Buffer.from(outcome.bytes).toString()) };
}

function opened<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof StoreFault || error instanceof KeyringFault) throw new CommandFailure(error.message);
    throw error;
  }
}
