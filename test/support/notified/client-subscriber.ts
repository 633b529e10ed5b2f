/** Applications that follow the record with the client library, in a process that is killed, stopped and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Chance } from './chance.ts';
import { linesOf, type ClientChildSettings } from './client-child.ts';
import { keyOf, toldFaults, until, versionsOf, type Site, type Subscriber, type Told, type Wanted } from './subscriber.ts'; // prettier-ignore

const CHILD = join(import.meta.dirname, 'client-child.ts');

/** Of one process. Resolves when all of them listen. */
export async function startClientSubscribers(
  site: Site,
  allWanted: readonly Wanted[],
  chance: Chance,
  folder: string,
): Promise<readonly Subscriber[]> {
  const own = allWanted.map((wanted, at) => ({ wanted, file: join(folder, `client-${at}.jsonl`) }));
  const subscriptions = own.map(({ wanted: { query }, file }) => ({ query, file }));
  const settings: ClientChildSettings = { urls: site.urls, token: site.token, subscriptions };
  let said = '';
  let isEnding = false;
  let child = start();

  function start(): ChildProcess {
    const env = { ...process.env, CLIENT_CHILD: JSON.stringify(settings) };
    const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }); // prettier-ignore
    started.stderr!.on('data', (bytes: Buffer) => (said += bytes.toString()));
    started.once('exit', () => {
      if (!isEnding) child = start();
    });
    return started;
  }

  await until(() => said !== '' || own.every(({ file }) => linesOf(file).length > 0));
  const stop = async (): Promise<void> => {
    isEnding = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  return own.map(({ wanted, file }) => {
    const told = (): readonly Told[] =>
      linesOf(file).flatMap(({ resource, version }) => (resource === undefined ? [] : [{ resource, version: version! }])); // prettier-ignore
    return {
      name: `client of ${wanted.name}`,
      wanted,
      has: () => told().length,
      disturb() {
        const stopped = child;
        if (chance() < 0.3 && stopped.kill('SIGSTOP')) return () => stopped.kill('SIGCONT');
        stopped.kill('SIGKILL');
        return undefined;
      },
      faults(expected) {
        const keys = told().map(keyOf);
        const repeats = keys.length - new Set(keys).size;
        return [
          ...(said === '' ? [] : [said]),
          ...(repeats === 0 ? [] : [`${repeats} events were handled again`]),
          ...toldFaults(told(), versionsOf(expected)),
        ];
      },
      stop,
    };
  });
}
