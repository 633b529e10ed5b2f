// A Vitest reporter for `npm test`: writes what passed, failed and was skipped, with reasons, to the file named by TALLY_FILE.
import { writeFileSync } from 'node:fs';

/** The file holds `{ passed, failed: [name and why], skipped: [{ name, reason }] }`. A file that cannot be loaded is one failure. */
export default class TallyReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const tally = { passed: 0, failed: unhandledErrors.map((error) => error.message), skipped: [] };
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0)
        tally.failed.push(module.relativeModuleId + why(module.errors()));
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0)
          tally.failed.push(`${module.relativeModuleId} > ${suite.fullName}${why(suite.errors())}`);
      }
      for (const test of module.children.allTests()) add(tally, module.relativeModuleId, test);
    }
    writeFileSync(process.env.TALLY_FILE, JSON.stringify(tally));
  }
}

function add(tally, file, test) {
  const name = `${file} > ${test.fullName}`;
  const result = test.result();
  if (result.state === 'passed') tally.passed++;
  else if (result.state === 'skipped') tally.skipped.push({ name, reason: result.note ?? test.fullName });
  else tally.failed.push(name + why(result.errors));
}

/** The first lines of what went wrong, so that the end of a long log tells it too. */
function why(errors) {
  const { message, diff } = errors?.[0] ?? {};
  if (!message) return '';
  return `: ${[message, diff].filter(Boolean).join('\n').slice(0, 1_000)}`;
}
