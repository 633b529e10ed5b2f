/** Services of a cluster as child processes: started again when they fail, ended in the order they are asked to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@carelog/service-kit';
import type { PortTaken } from '../commands/serve.ts';

export interface ChildService {
  /** As the command calls it, and its number: `gateway 1`. */
  readonly name: string;
  readonly service: 'gateway' | 'writer' | 'projector' | 'relay';
  /** Of its health. */
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

/** A service ended before it was ready, because something else listens on a port of its. */
export class PortIsTaken extends Error {
  readonly port: number;

  constructor(name: string, port: number) {
    super(`The ${name} ended before it was ready: something else listens on port ${port}.`);
    this.port = port;
  }
}

const CLI = join(import.meta.dirname, '../cli.ts');
const WARNINGS = ['--disable-warning=ExperimentalWarning'];
const READY_MAX_MS = 120_000;
const ASKED_MS = 250;
const ANSWERED_MAX_MS = 5_000;
const END_MAX_MS = 8_000;
const PAUSE = { first: 200, longest: 5_000 };

export class RunningService {
  #child: ChildService;
  readonly #log: Log;
  #process: ChildProcess;
  #pause = PAUSE.first;
  #isWanted = true;
  #taken: number | undefined;

  constructor(child: ChildService, log: Log) {
    this.#child = child;
    this.#log = log;
    this.#process = this.#start();
  }

  get name(): string {
    return this.#child.name;
  }

  /** Undefined while it is not running. Another one after it was started again. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves when it says that it is ready. Throws where it ended instead, `PortIsTaken` if for that, or takes too long. */
  async ready(): Promise<void> {
    const { name, port } = this.#child;
    const until = performance.now() + READY_MAX_MS;
    const first = this.#process;
    while (performance.now() < until) {
      // Whatever else listens there need not answer.
      const signal = AbortSignal.timeout(ANSWERED_MAX_MS);
      const isReady = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal }).then((answer) => answer.ok, () => false); // prettier-ignore
      if (isReady) return;
      if (this.#taken !== undefined) throw new PortIsTaken(name, this.#taken);
      if (first.exitCode !== null || !this.#isWanted) throw new Error(`The ${name} ended before it was ready. Its own words are above.`); // prettier-ignore
      await delay(ASKED_MS);
    }
    throw new Error(`The ${name} was not ready within ${READY_MAX_MS / 1_000} s.`);
  }

  /** Starts another one like it, with these settings besides. */
  alike({ name, port, env }: Pick<ChildService, 'name' | 'port' | 'env'>): RunningService {
    const own = { ...this.#child.env, PORT: String(port), ...env };
    return new RunningService({ ...this.#child, name, port, env: own }, this.#log);
  }

  /** Ends it in good order, and starts it again, with these settings besides. Resolves when it is ready, with the exit code of the one that ended. */
  async replace(env: ChildService['env'] = {}): Promise<number | null> {
    const code = await this.stop();
    this.#child = { ...this.#child, env: { ...this.#child.env, ...env } };
    this.#isWanted = true;
    this.#taken = undefined;
    this.#process = this.#start();
    await this.ready();
    return code;
  }

  /** Resolves with the exit code; null where it was killed. */
  async stop(): Promise<number | null> {
    this.#isWanted = false;
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const gone = once(child, 'exit');
    const overdue = setTimeout(() => {
      this.#log.warn({ service: this.#child.name }, 'did not end in time and is killed');
      child.kill('SIGKILL');
    }, END_MAX_MS);
    child.kill('SIGTERM');
    await gone;
    clearTimeout(overdue);
    return child.exitCode;
  }

  /** A group of its own, because ctrl-C is for us: we say in which order they end. Without us they end by themselves. */
  #start(): ChildProcess {
    const { service, env, name } = this.#child;
    const child = spawn(process.execPath, [...WARNINGS, CLI, service], {
      env: { ...process.env, ...env, npm_lifecycle_event: '' },
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const began = performance.now();
    child.on('message', ({ portTaken }: PortTaken) => (this.#taken = portTaken));
    child.once('exit', (code, signal) => {
      if (!this.#isWanted) return;
      this.#log.error({ service: name, code, signal }, 'ended and is started again');
      if (performance.now() - began > PAUSE.longest) this.#pause = PAUSE.first;
      setTimeout(() => {
        if (this.#isWanted) this.#process = this.#start();
      }, this.#pause);
      this.#pause = Math.min(2 * this.#pause, PAUSE.longest);
    });
    return child;
  }
}
