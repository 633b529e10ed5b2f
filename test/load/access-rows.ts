/** What decisions about access cost: the same requests by a system that sees all, by staff of the practice, by the patient. */
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import { startServer } from '../support/server-process.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import type { RequestRow } from './report.ts';
import { neverTwice, rowOf, settled, type Subject } from './request-rows.ts';
import type { Settings } from './settings.ts';
import { loadTargets, send, type Targets } from './targets.ts';

const UNLIMITED = { CARELOG_LIMIT_STAFF: '1000000/1000000/512', CARELOG_LIMIT_PATIENTS: '1000000/1000000/512' }; // prettier-ignore
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';

export function accessRows(settings: Settings): Promise<RequestRow[]> {
  return inFolder(async (folder) => {
    settings.say('loading the people, registered with the practice');
    const server = await startServer(folder, UNLIMITED);
    const floor = await startHttpFloor();
    try {
      const targets = await loadTargets(server);
      await register(targets);
      await settled(server);
      const rows: RequestRow[] = [];
      for (const as of ['publisher', 'gp', 'patient']) {
        const asked = { ...targets, token: await server.token(as) };
        for (const subject of subjectsOf(targets, as)) {
          settings.say(subject.name);
          rows.push(await rowOf(subject, asked, { server, floor, settings }));
        }
      }
      return rows;
    } finally {
      await floor.end();
      await server.end();
    }
  });
}

/** All with the practice, and the first of them as the person whom the persona `patient` is. */
async function register({ base, token, read }: Targets): Promise<void> {
  for (const [index, path] of read.entries()) {
    const person = (await send(base, token, 'GET', path)) as object;
    await send(base, token, 'PUT', path, {
      ...person,
      generalPractitioner: [{ identifier: { system: ODS, value: 'Y90001' } }],
      ...(index === 0 && { identifier: [{ system: NHS, value: firstPersonNhsNumber(DEMO_SEED) }] }),
    });
  }
}

// Of as many people for each of them as the patient may see, and of no answer that is found in memory.
function subjectsOf({ read, search }: Targets, as: string): Subject[] {
  const [own, ownSearch] = [read.slice(0, 1), search.slice(0, 1)];
  return [
    { name: `read, as ${as}`, method: 'GET', paths: own },
    { name: `search, 50 of 100, not asked before, as ${as}`, method: 'GET', paths: neverTwice(ownSearch) },
  ];
}
