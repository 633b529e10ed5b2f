/** What became of a load, for people or as JSON. */
import type { Refusal, Summary } from './load.ts';

const SHOWN = 50;

/** Answers the exit code: 1 when something was refused or it stopped before its end. */
export function printSummary(summary: Summary, how: { files?: number; ms: number; json?: boolean }): 0 | 1 {
  const seconds = Math.round(how.ms / 100) / 10;
  const { recorded, duplicate, refused, refusals, stopped } = summary;
  if (how.json) {
    process.stdout.write(`${JSON.stringify({ ...(how.files !== undefined && { files: how.files }), seconds, recorded, duplicate, refused, ...(stopped !== undefined && { stopped }), refusals })}\n`); // prettier-ignore
  } else {
    const rate = Math.round((recorded + duplicate) / Math.max(0.1, seconds));
    const counts = [`${recorded} recorded`, `${duplicate} duplicate`, `${refused} refused`].join(', ');
    process.stdout.write(`${counts} in ${seconds} s (${rate} a second)\n`);
    const groups = [...Map.groupBy(refusals, reasonOf).values()];
    for (const group of groups.slice(0, SHOWN))
      process.stdout.write(`\n${lines(group as [Refusal, ...Refusal[]])}\n`);
    const more = groups.length - SHOWN;
    if (more > 0) process.stdout.write(`\nand ${more} more reasons; --json lists them all.\n`);
    if (stopped !== undefined) process.stdout.write(`\n${stopped}\n`);
  }
  return refused > 0 || stopped !== undefined ? 1 : 0;
}

/** The same for refusals that differ only in where they were met. */
function reasonOf({ status, problems }: Refusal): string {
  return JSON.stringify([
    status,
    problems.map(({ expression, message }) => [
      expression?.replace(/\d+/g, ''),
      message.replace(/[\da-f-]{8,}|\d+/g, ''),
    ]),
  ]);
}

function lines([{ file, place, status, problems }, ...others]: readonly [Refusal, ...Refusal[]]): string {
  const where = [file, place].filter((part) => part !== '').join(', ');
  const alike = others.length > 0 ? `, and ${others.length} more like it` : '';
  const what = problems.map(
    ({ expression, message }) => `  ${expression === undefined ? '' : `${expression}: `}${message}`,
  );
  return [`${where}${status ? ` (${status})` : ''}${alike}`, ...what].join('\n');
}
