/** `npm run cluster`: the whole cluster on this machine, its first population, and then it serves until it is told to end. */
import { closeOnSignal, createLog, readConfigOrExit } from '@carelog/service-kit';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { loadDemoPopulation } from './demo-population.ts';

process.umask(0o077);
const config = readConfigOrExit();
const log = createLog(config.logLevel);
let isEnding = false;
const starting = startLocalCluster(config, log);
closeOnSignal(
  {
    async close() {
      isEnding = true;
      await (await starting).close();
    },
  },
  log,
);
try {
  const cluster = await starting;
  const [first = ''] = cluster.gateways;
  if (config.demo && !isEnding) await loadDemoPopulation(config, first, cluster.emptyLog, log);
  const lines = [
    ...cluster.gateways.map((url) => `gateway ${url}`),
    ...cluster.writers.map((url) => `writer ${url}`),
    'Carelog cluster ready',
    `Get a token: npx carelog token gp   (personas and links: ${first}/)`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
} catch (fault) {
  process.stderr.write(
    `The cluster could not start. ${fault instanceof Error ? fault.message : String(fault)}\n`,
  );
  process.exit(1);
}
