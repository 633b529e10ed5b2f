// One Vitest project for each stage of `npm test`: the place and suffix of a spec file say which it belongs to.
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Planted violations and browsers have the machine to themselves, and what looks at the clock or at memory.
const alone = { fileParallelism: false };
const slow = { testTimeout: 120_000 };
const timed = ['test/conformance/{fuzz,search-hostile}.spec.ts'];

/** What goes over HTTP, and holds of one process as of a cluster. */
const onEither = [
  'test/journeys/{access-decisions,access-log,access-notifications,access-table,activities,alerts,child-at-risk,events,interactions,read-again,search,second-client,summary,winter-night}.spec.ts',
];
/** These take long, or there is no part of them: a cluster is asked them where it is asked everything. */
const onEitherWhole = [
  'test/journeys/{access-parameters,smart}.spec.ts',
  'test/conformance/{access-oracle,real-data,search-oracle,search-paging,search-parameters}.spec.ts',
];
const isWhole = process.env.CASES_EVERY === '1';
/** A cluster is asked less of what is many, unless told. */
const onCluster = { CARELOG_STACK: 'cluster', CASES_EVERY: '80' };

const stages = {
  // What they import is loaded once: they are many, take moments, and replace nothing of it.
  unit: { include: ['{apps,libs}/**/*.spec.ts'], exclude: ['**/*.int.spec.ts'], isolate: false },
  integration: { include: ['{apps,libs}/**/*.int.spec.ts'], globalSetup: 'test/support/one-postgres.ts' },
  architecture: { include: ['test/architecture/**/*.spec.ts'], ...alone, ...slow },
  conformance: { include: ['test/conformance/**/*.spec.ts'], exclude: timed, ...slow },
  journeys: { include: ['test/{journeys,load}/**/*.spec.ts'], ...slow },
  recovery: {
    include: ['test/{cluster,recovery}/**/*.spec.ts'],
    // Minutes: parts of `npm run test:faults`.
    exclude:
      process.env.ROUNDS === undefined
        ? ['test/cluster/restored.spec.ts', 'test/cluster/upgrade.spec.ts']
        : [],
    ...slow,
  },
  limits: { include: timed, ...alone, ...slow },
  'on-cluster': {
    include: isWhole ? [...onEither, ...onEitherWhole] : onEither,
    globalSetup: 'test/support/one-cluster.ts',
    // Two whole clusters at a time, and a third that both may ask.
    hookTimeout: 240_000,
    testTimeout: 240_000,
    env: Object.fromEntries(
      Object.entries(onCluster).map(([name, value]) => [name, process.env[name] ?? value]),
    ),
  },
  browser: { include: ['test/browser/**/*.spec.ts'], ...alone, ...slow },
};

/** Where nothing is known of them yet, large files begin first; these are small, take minutes, and would be waited for at the end. */
const LONG = /test\/cluster\/(compose|faults)\.spec\.ts$/;

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => LONG.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((it) => !isLong(it))];
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    projects: Object.entries(stages).map(([name, stage]) => ({
      test: {
        name,
        testTimeout: 30_000,
        hookTimeout: 120_000,
        ...stage,
        exclude: ['**/node_modules/**', ...('exclude' in stage ? stage.exclude : [])],
      },
    })),
  },
});
