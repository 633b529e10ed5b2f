/** The whole log of a data folder, whether a server runs on it or not. */
import { openSqliteLogReader, type RecordedEvent } from '@carelog/event-store';

export async function readLog(path: string): Promise<RecordedEvent[]> {
  const reader = openSqliteLogReader({ path });
  try {
    const events: RecordedEvent[] = [];
    for (;;) {
      const page = await reader.readAll({ after: events.length, limit: 5_000 });
      if (page.length === 0) return events;
      events.push(...page);
    }
  } finally {
    await reader.close();
  }
}
