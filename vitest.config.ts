import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{apps,libs,test,scripts}/**/*.spec.ts'],
    exclude: ['**/node_modules/**'],
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
