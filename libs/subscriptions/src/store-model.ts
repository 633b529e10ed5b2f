/** For specs: the port as plainly as it can be said, in memory, and what an engine does compared with it. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';
import { aNotice, aSubscription, CLINIC, MINUTE, NOW } from './some-subscription.ts';
import type { NumberedNotice, StoredSubscription, SubscriptionStore } from './subscription-store.ts';

interface Known {
  stored: StoredSubscription;
  holder: string;
  numbered: NumberedNotice[];
}

const IDS = ['a', 'b', 'c', 'd'];
const MOST = 3;
const HOLDERS = ['one', 'other'];
type Doing = typeof doings extends fc.Arbitrary<(infer One)[]> ? One : never;

const id = fc.constantFrom(...IDS);
const holder = fc.constantFrom(...HOLDERS);
const small = fc.integer({ min: 0, max: 5 });
const doings = fc.array(
  fc.oneof(
    fc.record({ does: fc.constant('create' as const), id, type: fc.constantFrom('rest-hook', 'websocket') }),
    fc.record({ does: fc.constant('replace' as const), id, version: fc.integer({ min: 1, max: 3 }), status: fc.constantFrom('requested' as const, 'off' as const) }), // prettier-ignore
    fc.record({ does: fc.constant('remove' as const), id }),
    fc.record({ does: fc.constant('renew' as const), id, minutes: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ does: fc.constant('setStatus' as const), holder, id, version: fc.integer({ min: 1, max: 2 }), status: fc.constantFrom('active' as const, 'off' as const, 'error' as const) }), // prettier-ignore
    fc.record({ does: fc.constant('lease' as const), holder, minutes: fc.integer({ min: 0, max: 90 }), most: small }), // prettier-ignore
    fc.record({ does: fc.constant('release' as const), holder }),
    fc.record({ does: fc.constant('number' as const), holder, ids: fc.uniqueArray(id), past: small, notices: small }), // prettier-ignore
    fc.record({ does: fc.constant('delivered' as const), holder, id, upTo: small }),
    fc.record({ does: fc.constant('failed' as const), holder, id, version: fc.integer({ min: 1, max: 2 }) }),
    fc.record({ does: fc.constant('enterEpoch' as const), holder, id, position: small }),
    fc.record({ does: fc.constant('forget' as const), before: fc.oneof(small, fc.constant(61)) }),
  ),
  { minLength: 1, maxLength: 40 },
);

/** So that most of what follows finds something that is held. */
const SETTING_OUT: readonly Doing[] = [
  { does: 'create', id: 'a', type: 'rest-hook' },
  { does: 'create', id: 'b', type: 'websocket' },
  { does: 'lease', holder: 'one', minutes: 0, most: 5 },
];

const recordedAt = (position: number) => new Date(NOW + position * MINUTE).toISOString();

/** `newPlace`: as in the contract. */
export async function checkAgainstModel(newPlace: () => Promise<() => SubscriptionStore>): Promise<void> {
  const property = fc.asyncProperty(doings, async (all) => {
    const store = (await newPlace())();
    const model = new Model();
    try {
      for (const it of [...SETTING_OUT, ...all]) {
        const position = 1 + (await highestPosition(store));
        expect(await inStore(store, it, position)).toEqual(model.do(it, position));
        expect(await store.list({ count: 10 })).toEqual(model.list());
        for (const known of IDS) expect(await store.numbered(known, 0, 1_000)).toEqual(model.numbered(known));
      }
    } finally {
      await store.close();
    }
  });
  await fc.assert(property, { numRuns: 60 });
}

const highestPosition = async (store: SubscriptionStore) =>
  Math.max(0, ...(await store.list({ count: 10 })).map(({ position }) => position));

/** Ids of its events are not to differ where nothing else does. */
const noticesFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, at) => {
    const position = first + at;
    return { ...aNotice(position), eventId: `event-${position}`, recordedAt: recordedAt(position) };
  });

const lookedOf = ({ ids, past, notices }: Doing & { does: 'number' }, position: number) =>
  ids.map((id, at) => ({
    id,
    position: Math.max(0, position + notices - past),
    // Some begin before where the subscription is: those are passed over.
    notices: noticesFrom(Math.max(1, position - past), at === 0 ? notices : notices + past),
  }));

const changeOf = (status: 'requested' | 'off') =>
  ({ resource: '{"channel":{"type":"rest-hook"}}', secrets: 'again', lastUpdated: 'later', status, endsAt: NOW + 30 * MINUTE, owner: CLINIC }) as const; // prettier-ignore
const madeAs = (id: string, type: string) => aSubscription({ id, resource: JSON.stringify({ channel: { type } }) }); // prettier-ignore

async function inStore(store: SubscriptionStore, it: Doing, position: number): Promise<unknown> {
  switch (it.does) {
    case 'create':
      return store.create(madeAs(it.id, it.type), MOST).catch(() => 'refused');
    case 'replace':
      return store.replace(it.id, changeOf(it.status), it.version);
    case 'remove':
      return store.remove(it.id);
    case 'renew':
      return store.renew(it.id, CLINIC, NOW + it.minutes * MINUTE);
    case 'setStatus':
      return store.setStatus(it.holder, it.id, it.version, it.status, it.status);
    case 'lease':
      return store.lease(it.holder, NOW + it.minutes * MINUTE, NOW + (it.minutes + 10) * MINUTE, it.most);
    case 'release':
      return store.release(it.holder);
    case 'number':
      return [...(await store.number(it.holder, lookedOf(it, position)))].sort();
    case 'delivered':
      return store.delivered(it.holder, it.id, it.upTo, NOW);
    case 'failed':
      return store.failed(it.holder, it.id, it.version, NOW, NOW + MINUTE, 'No answer.');
    case 'enterEpoch':
      return store.enterEpoch(it.holder, it.id, 'second', it.position);
    case 'forget':
      return store.forget(recordedAt(it.before));
  }
}

class Model {
  #known = new Map<string, Known>();
  readonly #leases = new Map<string, number>();

  list(): StoredSubscription[] {
    return this.#sorted().map(({ stored }) => stored);
  }

  numbered(id: string): readonly NumberedNotice[] {
    return this.#known.get(id)?.numbered ?? [];
  }

  do(it: Doing, position: number): unknown {
    switch (it.does) {
      case 'create':
        return this.#create(it.id, it.type);
      case 'replace':
        return this.#replace(it.id, it.status, it.version);
      case 'remove':
        return this.#known.delete(it.id);
      case 'renew':
        return this.#change(it.id, ({ endsAt }) => ({ endsAt: Math.max(endsAt, NOW + it.minutes * MINUTE) })); // prettier-ignore
      case 'setStatus':
        return this.#isAt(it) && this.#ifHeld(it, () => ({ status: it.status, reason: it.status }));
      case 'lease':
        return this.#lease(it.holder, NOW + it.minutes * MINUTE, NOW + (it.minutes + 10) * MINUTE, it.most);
      case 'release':
        this.#leases.delete(it.holder);
        return this.#held(it.holder).forEach((known) => (known.holder = ''));
      case 'number':
        return this.#number(it, position);
      case 'delivered':
        return this.#ifHeld(it, ({ delivered, events }) => ({ delivered: Math.max(delivered, Math.min(it.upTo, events)), failures: 0, failingSince: 0, tryAt: 0, reason: '', sentAt: NOW })); // prettier-ignore
      case 'failed':
        return this.#isAt(it) && this.#ifHeld(it, ({ failures }) => ({ failures: failures + 1, failingSince: NOW, tryAt: NOW + MINUTE, reason: 'No answer.' })); // prettier-ignore
      case 'enterEpoch':
        return void this.#ifHeld(it, () => ({ epoch: 'second', position: it.position }));
      case 'forget':
        return this.#forget(recordedAt(it.before));
    }
  }

  #create(id: string, type: string): unknown {
    if (this.#known.size >= MOST) return 'too-many';
    if (this.#known.has(id)) return 'refused';
    const none = { events: 0, delivered: 0, failures: 0, failingSince: 0, tryAt: 0, sentAt: 0 };
    const stored = { ...madeAs(id, type), ...none, secretGeneration: 1, version: 1, reason: '' };
    this.#known.set(id, { stored, holder: '', numbered: [] });
    return stored;
  }

  #replace(id: string, status: 'requested' | 'off', expected: number): unknown {
    const known = this.#known.get(id);
    if (known === undefined) return 'missing';
    if (known.stored.version !== expected) return 'mismatch';
    const none = { failures: 0, failingSince: 0, tryAt: 0, reason: '' };
    this.#change(id, ({ version }) => ({ ...changeOf(status), ...none, version: version + 1 }));
    return known.stored;
  }

  #lease(holder: string, now: number, until: number, most: number): unknown {
    this.#leases.set(holder, until);
    for (const [name, ends] of this.#leases) if (ends <= now) this.#leases.delete(name);
    const due = this.#sorted().filter(({ stored }) => stored.status !== 'off' && stored.endsAt > now);
    const share = Math.min(most, Math.ceil(due.length / Math.max(1, this.#leases.size)));
    const own = due.filter((known) => known.holder === holder).slice(0, share);
    const free = due.filter((known) => !this.#leases.has(known.holder));
    this.#held(holder).forEach((known) => (known.holder = ''));
    for (const known of [...own, ...free].slice(0, share)) known.holder = holder;
    return this.#held(holder).map(({ stored }) => stored);
  }

  #number(it: Doing & { does: 'number' }, position: number): string[] {
    return lookedOf(it, position)
      .flatMap(({ id, position: until, notices }) => {
        const isHeld = this.#ifHeld({ holder: it.holder, id }, ({ position: at, events }) => {
          const told = notices.filter((notice) => notice.position > at);
          this.#known
            .get(id)!
            .numbered.push(...told.map((notice, n) => ({ number: events + n + 1, notice })));
          return { events: events + told.length, position: Math.max(at, until) };
        });
        return isHeld ? [] : id;
      })
      .sort();
  }

  #forget(before: string): void {
    for (const [id, known] of this.#known) {
      if (known.stored.endsAt < Date.parse(before)) this.#known.delete(id);
      const { status, endsAt, delivered, events, resource } = known.stored;
      const isAwaited = resource.includes('rest-hook') && status !== 'off' && endsAt >= Date.parse(before);
      const last = isAwaited ? delivered : events;
      const kept = known.numbered.findIndex(({ number, notice }) => number > last || notice.recordedAt >= before); // prettier-ignore
      known.numbered = kept < 0 ? [] : known.numbered.slice(kept);
    }
  }

  #isAt({ id, version }: { id: string; version: number }): boolean {
    return this.#known.get(id)?.stored.version === version;
  }

  #ifHeld(
    it: { holder: string; id: string },
    change: (stored: StoredSubscription) => Partial<StoredSubscription>,
  ): boolean {
    // prettier-ignore
    if (this.#known.get(it.id)?.holder !== it.holder) return false;
    this.#change(it.id, change);
    return true;
  }

  #change(id: string, change: (stored: StoredSubscription) => Partial<StoredSubscription>): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const stored = { ...known.stored, ...change(known.stored) };
    if (isDeepStrictEqual(stored, known.stored)) return;
    known.stored = stored;
    if (stored.status === 'off') known.holder = '';
  }

  #held(holder: string): Known[] {
    return this.#sorted().filter((known) => known.holder === holder);
  }

  #sorted(): Known[] {
    return [...this.#known.values()].sort((a, b) => (a.stored.id < b.stored.id ? -1 : 1));
  }
}
