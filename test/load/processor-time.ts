/**
 * Processor time by process, from /proc: unlike a rate it hardly depends on what else the machine does. Linux only; elsewhere
 * nothing is known.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What the kernel counts in. */
const TICKS_PER_SECOND = 100;

/** Microseconds that each of these has taken so far, with all processes that it started. */
export function processorTimes<Name extends string>(
  pids: ReadonlyMap<Name, readonly number[]>,
): ReadonlyMap<Name, number> {
  const all = processes();
  const children = Map.groupBy(all.values(), ({ parent }) => parent);
  const ticksOf = (pid: number): number => {
    const own = all.get(pid)?.ticks ?? 0;
    return (children.get(pid) ?? []).reduce((sum, child) => sum + ticksOf(child.pid), own);
  };
  const microseconds = (ticks: number) => (ticks * 1e6) / TICKS_PER_SECOND;
  return new Map(
    [...pids].map(([name, own]) => [name, microseconds(own.reduce((sum, pid) => sum + ticksOf(pid), 0))]),
  );
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** With those of children that have ended. */
  readonly ticks: number;
}

function processes(): ReadonlyMap<number, Process> {
  if (!existsSync('/proc/self/stat')) return new Map();
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => processOf(Number(pid)));
  return new Map(found.map((it) => [it.pid, it]));
}

function processOf(pid: number): readonly Process[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system, endedUser, endedSystem] = fields.slice(11, 15).map(Number) as [number, number, number, number]; // prettier-ignore
    return [{ pid, parent: Number(fields[1]), ticks: user + system + endedUser + endedSystem }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}
