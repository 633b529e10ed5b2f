/** Reads `GET /events` and keeps the last id, as any client of Server-Sent Events does. */
import { setTimeout as delay } from 'node:timers/promises';
import { readEvents, type EventReader, type ReadEvent } from '../event-reader.ts';
import { below, oneOf, type Chance } from './chance.ts';
import { toldFaults, until, versionsOf, type Site, type Subscriber, type Told, type Wanted } from './subscriber.ts'; // prettier-ignore

const AGAIN_MS = 100;

/** Resolves when it listens. `since`: where it begins; now, where it is absent. */
export async function startStreamSubscriber(
  site: Site,
  wanted: Wanted,
  chance: Chance,
  since?: string,
): Promise<Subscriber> {
  /** Of each connection. */
  const connections: (readonly ReadEvent[])[] = [];
  const refused: string[] = [];
  let place = since;
  let reader: EventReader | undefined;
  let isEnding = false;

  async function connect(): Promise<EventReader | undefined> {
    const authorization = `Bearer ${site.token}`;
    const headers = { authorization, ...(place !== undefined && { 'last-event-id': place }) };
    const url = `${oneOf(chance, site.urls)}/events?${new URLSearchParams(wanted.query)}`;
    const opened = await readEvents(url, headers).catch(() => undefined);
    if (opened === undefined || opened.status === 200) return opened;
    // What a server says that is just starting or ending.
    if (opened.status < 500) refused.push(`${opened.status} ${opened.text}`);
    return undefined;
  }

  async function run(): Promise<void> {
    while (!isEnding) {
      reader = await connect();
      if (reader === undefined) {
        await delay(AGAIN_MS);
        continue;
      }
      connections.push(reader.events);
      await reader.ended;
      place = placeAfter(reader);
    }
  }

  let isKilled = false;
  function placeAfter({ events, lastId }: EventReader): string | undefined {
    if (!isKilled) return lastId ?? place;
    isKilled = false;
    // What it read last it had not dealt with: of those it may have been told twice.
    const kept = below(chance, events.length + 1);
    return kept === 0 ? place : events[kept - 1]!.id;
  }

  const running = run();
  await until(() => reader?.lastId !== undefined || refused.length > 0);
  place ??= reader?.lastId;
  const told = (): readonly Told[] => connections.flat().map(({ data }) => toldOf(data));
  return {
    name: `stream of ${wanted.name}`,
    wanted,
    has: () => new Set(told().map(({ resource, version }) => `${resource}|${version}`)).size,
    disturb() {
      const what = chance();
      const opened = reader;
      if (what < 0.3) {
        opened?.pause();
        return () => opened?.resume();
      }
      isKilled = what < 0.6;
      opened?.break();
      return undefined;
    },
    faults: (expected) => [
      ...refused,
      ...connections.flatMap((events, at) =>
        isRising(events) ? [] : [`ids of connection ${at} do not rise`],
      ),
      ...toldFaults(told(), versionsOf(expected)),
    ],
    async stop() {
      isEnding = true;
      reader?.break();
      await running;
    },
  };
}

export const toldOf = (data: ReadEvent['data']): Told => ({
  resource: data['resource']!,
  version: Number(data['versionid']),
});

function isRising(events: readonly ReadEvent[]): boolean {
  const positions = events.map(({ id }) => Number(id.slice(id.lastIndexOf('-') + 1)));
  return positions.every((position, at) => at === 0 || position > positions[at - 1]!);
}
