/** `npm start`: settings, start, first population, and then it serves until it is told to end. */
import { closeOnSignal, createLog, readConfigOrExit, startTracing } from '@carelog/service-kit';
import { loadDemoPopulation } from './demo-population.ts';
import { startCarelog } from './start.ts';

// Whatever is written from here on is for the user alone that runs this: the view holds in the clear what it is searched for.
process.umask(0o077);
const config = readConfigOrExit();
const log = createLog(config.logLevel);
try {
  const tracing = await startTracing('embedded', log);
  const service = await startCarelog(config, log);
  closeOnSignal({ close: () => service.close().then(() => tracing.close()) }, log);
  if (config.demo) await loadDemoPopulation(config, service.url(), service.emptyLog, log);
  process.stdout.write(
    `Carelog ready at ${service.url()}\nGet a token: npx carelog token gp   (personas and links: ${service.url()}/)\n`,
  );
} catch (fault) {
  process.stderr.write(
    `Carelog could not start. ${fault instanceof Error ? fault.message : String(fault)}\n`,
  );
  process.exit(1);
}
