/** Projects until all is there that the log holds now, where nobody else writes. */
import { openSqliteLogReader } from '@carelog/event-store';

export interface Rebuilt {
  /** Events that were read. */
  readonly events: number;
  readonly seconds: number;
}

/** `headSignal`: that of the log, where it is written in this process. `project` goes on until its signal is aborted, and says how far it is. */
export async function upToHead(
  { log, headSignal }: { readonly log: string; readonly headSignal: SharedArrayBuffer | undefined },
  project: (running: {
    readonly signal: AbortSignal;
    readonly onProjected: (position: number) => void;
  }) => Promise<void>,
): Promise<Rebuilt> {
  const begun = performance.now();
  const reader = openSqliteLogReader({ path: log, ...(headSignal && { headSignal }) });
  const { position: head } = reader.head();
  await reader.close();
  const reached = new AbortController();
  let events = 0;
  await project({
    signal: reached.signal,
    onProjected(position) {
      events = position;
      if (position >= head) reached.abort();
    },
  });
  return { events, seconds: (performance.now() - begun) / 1000 };
}
