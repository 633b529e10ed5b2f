/** What access records cost: the same requests without any, and with each one flushed before its answer leaves. */
import { fileURLToPath } from 'node:url';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import type { RequestRow } from './report.ts';
import { rowOf, type Subject } from './request-rows.ts';
import type { Settings } from './settings.ts';
import { loadTargets } from './targets.ts';

const WITHOUT = fileURLToPath(new URL('without-account.ts', import.meta.url));

export async function accountRows(settings: Settings): Promise<RequestRow[]> {
  return [
    ...(await rowsOf(settings, 'without access records', (folder) => startServer(folder, {}, WITHOUT))),
    ...(await rowsOf(settings, 'each access record flushed', (folder) =>
      startServer(folder, { CARELOG_ACCESS_LOG: 'flushed' }),
    )),
  ];
}

function rowsOf(
  settings: Settings,
  how: string,
  start: (folder: string) => Promise<ServerProcess>,
): Promise<RequestRow[]> {
  return inFolder(async (folder) => {
    settings.say(`loading the people, ${how}`);
    const server = await start(folder);
    const floor = await startHttpFloor();
    try {
      const targets = await loadTargets(server);
      const subjects: Subject[] = [
        { name: `read, ${how}`, method: 'GET', paths: targets.read },
        { name: `search, 50 of 100 among 501, ${how}`, method: 'GET', paths: targets.search },
      ];
      const rows: RequestRow[] = [];
      for (const subject of subjects) {
        settings.say(subject.name);
        rows.push(await rowOf(subject, targets, { server, floor, settings }));
      }
      return rows;
    } finally {
      await floor.end();
      await server.end();
    }
  });
}
