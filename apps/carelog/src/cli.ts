/** The command line: what can be asked for, and with which options. Each command does its work in `commands/`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { CommandFailure } from './command-failure.ts';
import type { TokenLimits } from './commands/token.ts';
import { version } from './version.ts';

// As in the server: backups and rebuilt views too are for this user alone.
process.umask(0o077);

const program = new Command('carelog')
  .description('Carelog, a shared care record kept as a log. Served as FHIR R4.')
  .version(version)
  .showHelpAfterError('Run with --help for the options.')
  .addHelpText(
    'after',
    '\nSettings: PORT (8080) and CARELOG_DATA (./data) say which server and which data folder.',
  )
  .addHelpText('after', 'Exit codes: 0 done, 1 not or not wholly done, 2 asked wrongly.')
  .exitOverride();

program
  .command('start')
  .description('start the server, as npm start does')
  .action(async () => {
    await import('./main.ts');
  });

program
  .command('import')
  .description('record FHIR R4 files through the running server')
  .argument(
    '<files or folders...>',
    'Bundles, single resources, and one resource a line (.ndjson, .jsonl); plain or gzipped',
  )
  .option('--as <persona>', 'who records', 'publisher')
  .option('--url <address>', 'server to send to (default: this machine at PORT)')
  .option('--in-flight <number>', 'files sent at the same time', wholeNumber(1, 64), 4)
  .option('--json', 'print the summary as JSON')
  .addHelpText(
    'after',
    '\nEntries are known by their content and place: an import that was interrupted can be repeated, nothing is doubled.',
  )
  .action(async (paths: string[], options: { as: string; url?: string; inFlight: number; json?: true }) => {
    const { importFiles } = await import('./commands/import.ts');
    process.exitCode = await importFiles(paths, options);
  });

program
  .command('demo')
  .description('record a synthetic population through the running server')
  .requiredOption('--patients <number>', 'how many people', wholeNumber(1, 1_000_000))
  .option('--seed <number>', 'the same seed gives the same people', wholeNumber(0, 0xffff_ffff), 1)
  .option('--url <address>', 'server to send to (default: this machine at PORT)')
  .option('--json', 'print the summary as JSON')
  .action(async (options: { patients: number; seed: number; url?: string; json?: true }) => {
    const { demo } = await import('./commands/demo.ts');
    process.exitCode = await demo(options);
  });

program
  .command('token')
  .description('print an access token of a persona')
  .argument(
    '<persona>',
    'publisher, gp, ed-doctor, paramedic, community-nurse, crisis-worker, social-worker, pharmacist, locum, privacy-officer, patient, auditor, operator',
  )
  .option('--role <id>', 'role profile to act in, for a persona with several roles')
  .option('--scope <scopes>', 'SMART scopes to limit it to, e.g. "user/Observation.rs"')
  .option('--purpose <code>', 'what for: direct-care, safeguarding, audit, planning or research')
  .option('--url <address>', 'server that issues it (default: this machine at PORT)')
  .action(async (persona: string, { url, ...limits }: TokenLimits & { url?: string }) => {
    const { tokenFor } = await import('./commands/token.ts');
    process.stdout.write(`${await tokenFor(persona, url, limits)}\n`);
  });

program
  .command('status')
  .description('show what the running server holds and how far its views have come')
  .option('--url <address>', 'server to ask (default: this machine at PORT)')
  .option('--json', 'print it as JSON')
  .action(async (options: { url?: string; json?: true }) => {
    const { status } = await import('./commands/status.ts');
    await status(options);
  });

program
  .command('rebuild')
  .description('build a read model again from the first event')
  .argument('<projection>', 'record')
  .option('--url <address>', 'server that holds it (default: this machine at PORT)')
  .action(async (projection: string, options: { url?: string }) => {
    const { rebuildProjection } = await import('./commands/rebuild.ts');
    await rebuildProjection(projection, options.url);
  });

program
  .command('access-log')
  .description('what is kept of who looked')
  .command('erase')
  .description('destroy the access records of a month whose time is over, for good')
  .requiredOption('--month <month>', 'which, as in 2018-03')
  .option('--confirm <month>', 'the same month again: what is destroyed does not come back')
  .option('--url <address>', 'server that holds them (default: this machine at PORT)')
  .action(async (options: { month: string; confirm?: string; url?: string }) => {
    const { eraseAccesses } = await import('./commands/erase-accesses.ts');
    await eraseAccesses(options);
  });

program
  .command('backup')
  .description('copy the log, also while the server is writing')
  .argument('<folder>', 'where the copy is put; must not hold one yet')
  .option('--keys <folder>', 'also copy the keyring, to another folder: keep it apart from the log')
  .action(async (folder: string, options: { keys?: string }) => {
    const { backup } = await import('./commands/backup.ts');
    await backup(folder, options.keys);
  });

program
  .command('replay')
  .description("list the events of one patient's partition in order, as the log holds them")
  .requiredOption('--patient <id>', 'the id of the Patient resource')
  .option('--content', 'also print the opened content of each event')
  .option('--json', 'print one JSON object a line')
  .action(async (options: { patient: string; content?: true; json?: true }) => {
    const { replay } = await import('./commands/replay.ts');
    await replay(options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof CommandFailure) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}
