import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Duplex } from 'node:stream';

export interface ServerCommand {
  /** The program, and what it is told. */
  readonly command: readonly [string, ...string[]];
  readonly folder: string;
  /** What it says is added to this file. */
  readonly log: string;
  /** Asks it to end in good order. */
  readonly endSignal: 'INT' | 'TERM';
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Starts a server that is asked to end when this process ends, however it does: `kill -9` closes our end of a pipe too. It has
 * a process group of its own, because ctrl-C in a terminal must reach those who use a server before the server.
 */
export function spawnServer({ command, folder, log, endSignal, owner, env }: ServerCommand): ChildProcess {
  const output = openSync(log, 'a', 0o600);
  // Who waits for the pipe is nobody's child but init's: a server takes a child that it does not know for one of its own.
  const watched = `( (cat <&3 >/dev/null; kill -${endSignal} $$) 2>/dev/null & ); exec "$@" 3<&-`;
  const server = spawn('sh', ['-c', watched, 'sh', ...command], {
    cwd: folder,
    ...owner,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', output, output, 'pipe'],
  });
  closeSync(output);
  const pipe = server.stdio[3] as Duplex;
  server.once('exit', () => pipe.destroy());
  return server;
}
