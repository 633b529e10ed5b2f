/** For the crash test: appends until it is killed, several at a time, and says on stdout what was acknowledged. */
import { newEventId } from '../event-id.ts';
import { someEvent, to } from '../some-event.ts';
import { openSqliteEventStore } from './sqlite-event-store.ts';

const store = openSqliteEventStore({ path: process.argv[2]! });
await Promise.all(Array.from({ length: 8 }, () => appendForEver()));

async function appendForEver(): Promise<never> {
  for (;;) {
    const events = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () =>
      someEvent({
        partition: `p${Math.floor(Math.random() * 5)}`,
        content: Buffer.alloc(Math.random() * 5_000, 7),
      }),
    );
    const outcome = await store.append([to(newEventId(), 'no-stream', ...events)]);
    if (outcome.kind === 'appended') {
      process.stdout.write(outcome.events.map(({ id, position }) => `${position} ${id}\n`).join(''));
    }
  }
}
