// One Vitest project for each stage of `npm test`: the place and suffix of a spec file say which it belongs to.
import { defineConfig } from 'vitest/config';

const stages = {
  unit: { include: ['{apps,libs}/**/*.spec.ts'], exclude: ['**/*.int.spec.ts'] },
  integration: { include: ['{apps,libs}/**/*.int.spec.ts'], exclude: [] },
  architecture: { include: ['test/architecture/**/*.spec.ts'], exclude: [] },
  journeys: { include: ['test/**/*.spec.ts'], exclude: ['test/{architecture,browser}/**'] },
  browser: { include: ['test/browser/**/*.spec.ts'], exclude: [] },
};

// Planted violations and started servers have the machine to themselves.
const oneFileAtATime = new Set(['architecture', 'journeys', 'browser']);

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: Object.entries(stages).map(([name, { include, exclude }]) => ({
      test: {
        name,
        include,
        exclude: ['**/node_modules/**', ...exclude],
        testTimeout: oneFileAtATime.has(name) ? 120_000 : 30_000,
        hookTimeout: 120_000,
        fileParallelism: !oneFileAtATime.has(name),
      },
    })),
  },
});
