// `npm run cluster`: as `npm start`, but the cluster with its engines.
import { become } from './become.mjs';
import { installPrograms } from './system-programs.mjs';

await become('apps/carelog/src/cluster.ts', () => installPrograms(['java', 'mvn']));
