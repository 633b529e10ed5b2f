/** Starts Carelog without access records: what they cost is measured against it. Product code has no such switch. */
import { registerHooks } from 'node:module';

const replaced: Readonly<Record<string, string>> = {
  '@carelog/access-log': new URL('no-access-log.ts', import.meta.url).href,
  './account.ts': new URL('no-account.ts', import.meta.url).href,
};

registerHooks({
  resolve: (specifier, context, next) =>
    Object.hasOwn(replaced, specifier)
      ? { url: replaced[specifier]!, shortCircuit: true }
      : next(specifier, context),
});

await import('../../apps/carelog/src/main.ts');
