/** For the crash test: numbers and delivers until it is killed, and says on stdout what was answered. */
import { aNotice, aSubscription, keepOne, MINUTE, NOW } from '../some-subscription.ts';
import { openSqliteSubscriptionStore } from './sqlite-subscription-store.ts';

const store = openSqliteSubscriptionStore({ path: process.argv[2]! });
const [known] = await store.list({ count: 1 });
const { id, events, delivered } = known ?? (await keepOne(store));
const holder = `${process.pid}`;
// The one that was killed never gave its lease back.
const now = NOW + (events + 1) * MINUTE;
await store.renew(id, aSubscription().owner, now + 60 * MINUTE);
await store.lease(holder, now, now + MINUTE, 1);
let [numbered, taken] = [events, delivered];
for (;;) {
  const position = numbered + 1;
  const lost = await store.number(holder, [{ id, position, notices: [aNotice(position)] }]);
  if (lost.length > 0) throw new Error('The lease was lost.');
  numbered = position;
  if (numbered % 3 === 0 && (await store.delivered(holder, id, numbered, now))) taken = numbered;
  process.stdout.write(`${id} ${numbered} ${taken}\n`);
}
