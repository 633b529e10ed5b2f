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
  .argument('<projection>', 'record, care-settings, or population')
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

program
  .command('migrate')
  .description('make schemas, rights and topic of a cluster in the engines that the settings name')
  .action(async () => {
    const { migrate } = await import('./commands/migrate.ts');
    await migrate();
  });

for (const [name, does] of [
  ['gateway', 'serves FHIR to clients'],
  ['writer', 'records what gateways hand it'],
  ['projector', 'keeps its share of the views from Kafka'],
  ['relay', 'brings the log to Kafka, one at a time'],
] as const) {
  program
    .command(name)
    .description(`start a service of a cluster that ${does}; settings: docs/operating/cluster.md`)
    .action(async () => {
      const { serve } = await import('./commands/serve.ts');
      await serve(name);
    });
}

const deadLetters = program
  .command('dead-letters')
  .description('of a cluster: events that its record could not take, and what waits behind them');

deadLetters
  .command('list')
  .description('show them, and what was stepped over')
  .option('--of <version>', 'of the record (default: the one that serves)', wholeNumber(1, 1_000_000))
  .option('--json', 'print it as JSON')
  .action(async (options: { of?: number; json?: true }) => {
    const { listDeadLetters } = await import('./commands/dead-letters.ts');
    await listDeadLetters(options);
  });

deadLetters
  .command('retry')
  .description('apply again what waits, in order: after a mended release, or once a key is there')
  .argument('[partition]', 'all of them unless told')
  .option('--of <version>', 'of the record (default: the one that serves)', wholeNumber(1, 1_000_000))
  .action(async (partition: string | undefined, options: { of?: number }) => {
    const { retryDeadLetters } = await import('./commands/dead-letters.ts');
    process.exitCode = await retryDeadLetters(partition, options);
  });

deadLetters
  .command('skip')
  .description('step over the event at which a partition stopped, and apply what waits behind it')
  .argument('<position>', 'of the event', wholeNumber(1, Number.MAX_SAFE_INTEGER))
  .requiredOption('--why <reason>', 'kept with the decision; name nobody in it')
  .option('--by <name>', 'who decides (default: the user that runs this)')
  .option('--of <version>', 'of the record (default: the one that serves)', wholeNumber(1, 1_000_000))
  .action(async (position: number, options: { why: string; by?: string; of?: number }) => {
    const { skipDeadLetter } = await import('./commands/dead-letters.ts');
    process.exitCode = await skipDeadLetter(position, options);
  });

const readModels = program
  .command('read-models')
  .description('of a cluster: versions of its record, built beside each other; and its care settings');

readModels
  .command('list')
  .description('show which are built, how far they are, and which one serves')
  .option('--json', 'print it as JSON')
  .action(async (options: { json?: true }) => {
    const { listReadModels } = await import('./commands/read-models.ts');
    await listReadModels(options);
  });

readModels
  .command('build')
  .description(
    'build a version from the log, beside the one that serves; needs the role that owns the schemas',
  )
  .argument('[version]', "number to build it under (default: this release's)", wholeNumber(1, 1_000_000))
  .action(async (version: number | undefined) => {
    const { buildReadModel } = await import('./commands/read-models.ts');
    await buildReadModel(version);
  });

readModels
  .command('rebuild')
  .description(
    'build the care settings again, beside what serves, and let them take its place; needs the role that owns the schemas. The population is built again in its place',
  )
  .argument('<view>', 'care-settings, or population')
  .action(async (view: string) => {
    const { rebuildView } = await import('./commands/rebuild-view.ts');
    await rebuildView(view);
  });

readModels
  .command('compare')
  .description('compare a version with the one that serves, at a moment when both are equally far')
  .argument('<version>', 'to compare', wholeNumber(1, 1_000_000))
  .option('--patience <seconds>', 'how long to wait for that moment', wholeNumber(1, 86_400), 30)
  .action(async (version: number, options: { patience: number }) => {
    const { compareReadModels } = await import('./commands/read-models.ts');
    process.exitCode = await compareReadModels(version, options);
  });

readModels
  .command('switch')
  .description('let another version serve, from one moment to the next; the one before stays')
  .argument('<version>', 'to serve', wholeNumber(1, 1_000_000))
  .option('--by <name>', 'who decides (default: the user that runs this)')
  .action(async (version: number, options: { by?: string }) => {
    const { switchReadModel } = await import('./commands/read-models.ts');
    await switchReadModel(version, options);
  });

readModels
  .command('back')
  .description('let the version serve that served before')
  .option('--by <name>', 'who decides (default: the user that runs this)')
  .action(async (options: { by?: string }) => {
    const { switchBack } = await import('./commands/read-models.ts');
    await switchBack(options);
  });

program
  .command('export')
  .description('write both logs and the keyring of a stopped server to files, to move into a cluster')
  .argument('<folder>', 'where the logs are put; must not exist')
  .requiredOption('--keys <folder>', 'where the keyring is put, apart from the logs; must not exist')
  .action(async (folder: string, options: { keys: string }) => {
    const { exportLogs } = await import('./commands/export.ts');
    await exportLogs(folder, options.keys);
  });

program
  .command('import-log')
  .description(
    "put an export into a cluster's empty databases as it is; settings: those of the databases' owner",
  )
  .argument('<folder>', 'what carelog export wrote')
  .requiredOption('--keys <folder>', 'the keyring that it wrote')
  .action(async (folder: string, options: { keys: string }) => {
    const { importLog } = await import('./commands/import-log.ts');
    await importLog(folder, options.keys);
  });

program
  .command('compare-export')
  .description('say whether the views of a cluster are what they were when the export was made')
  .argument('<folder>', 'what carelog export wrote')
  .action(async (folder: string) => {
    const { compareViews } = await import('./commands/import-log.ts');
    process.exitCode = await compareViews(folder);
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
