/** How far a load has come, for whoever watches: a bar on stderr when that is a terminal, nothing otherwise. */
import { SingleBar } from 'cli-progress';
import type { Summary } from './load.ts';

export interface Progress {
  readonly add: (done: number) => void;
  readonly show: (summary: Summary) => void;
  readonly end: () => void;
}

/** `total` in whatever unit `add` counts. */
export function showProgress(total: number): Progress {
  if (!process.stderr.isTTY) return { add: () => undefined, show: () => undefined, end: () => undefined };
  const bar = new SingleBar({
    format: '{bar} {percentage}% · {recorded} recorded · {duplicate} duplicate · {refused} refused',
    stream: process.stderr,
    hideCursor: true,
  });
  const counts = ({ recorded, duplicate, refused }: Pick<Summary, 'recorded' | 'duplicate' | 'refused'>) => ({ recorded, duplicate, refused }); // prettier-ignore
  bar.start(total, 0, { recorded: 0, duplicate: 0, refused: 0 });
  return {
    add: (done) => bar.increment(done),
    show: (summary) => bar.update(counts(summary)),
    end: () => bar.stop(),
  };
}

/** Aborted by the first Ctrl-C, so that what is in flight is finished; the second ends the process. */
export function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stderr.write('\nFinishing what is in flight. Press Ctrl-C again to stop at once.\n');
      controller.abort();
    });
  }
  return controller.signal;
}
