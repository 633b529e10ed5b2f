// Loaded into the server by scripts/become.mjs: when the npm that started it is gone, the server stops too.
// Without it, `kill` on npm or its shell would leave the server holding the port and the store.
import { constants } from 'node:os';

const parent = process.ppid;

if (['start', 'cluster'].includes(process.env.npm_lifecycle_event)) {
  const timer = setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500);
  timer.unref();
  // Told to stop already: one signal is enough, a second one may mean "at once".
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      clearInterval(timer);
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
