import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import type { LookupAddress } from 'node:dns';
import { afterAll, describe, expect, it } from 'vitest';
import { AddressRefused, lookupWith, resolveByDns, resolveBySystem, type Resolve } from './look-up.ts';

const closing: (() => void)[] = [];
afterAll(() => closing.forEach((close) => close()));

const [TYPE_A, NO_SUCH_NAME] = [1, 3];

/** A name server (RFC 1035) that knows one name, says of others that there is none, and of some nothing. */
async function startNameServer(known: Readonly<Record<string, string>>): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (; query[at] !== 0; at += 1 + query[at]!) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!)); // prettier-ignore
    const name = labels.join('.');
    if (name.startsWith('silent')) return;
    const question = query.subarray(12, at + 5);
    const address = query.readUInt16BE(at + 1) === TYPE_A ? known[name] : undefined;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180 | (known[name] === undefined ? NO_SUCH_NAME : 0), 2);
    [1, address === undefined ? 0 : 1, 0, 0].forEach((count, index) =>
      head.writeUInt16BE(count, 4 + 2 * index),
    );
    const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...(address?.split('.').map(Number) ?? [])];
    socket.send(Buffer.concat([head, question, ...(address === undefined ? [] : [Buffer.from(answer)])]), from.port); // prettier-ignore
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** As a socket asks. */
function asked(resolve: Resolve, allowPrivate: boolean, all: boolean): Promise<unknown> {
  const lookup = lookupWith(resolve, allowPrivate);
  return new Promise((done, fail) =>
    lookup('hook.example', { all }, (fault, address: string | LookupAddress[], family) =>
      fault ? fail(fault) : done(all ? address : [address, family]),
    ),
  );
}

describe('what a name leads to', () => {
  it('is asked of DNS, where it is known or not, and not for long where nobody answers', async () => {
    const resolve = resolveByDns([await startNameServer({ 'hook.example': '8.8.8.8' })]);
    expect(await resolve('hook.example')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    await expect(resolve('other.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    const began = performance.now();
    await expect(resolve('silent.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
    expect(performance.now() - began).toBeLessThan(8_000);
  });

  it('is asked of the system once for all who want to know at that time', async () => {
    const resolve = resolveBySystem();
    const [one, other] = [resolve('localhost'), resolve('localhost')];
    expect(other).toBe(one);
    expect((await one).map(({ address }) => address)).toContain('127.0.0.1');
    expect(resolve('localhost')).not.toBe(one);
  });

  it('is given to a socket as it asks, and only where every address may be called', async () => {
    const [good, bad] = [{ address: '8.8.8.8', family: 4 }, { address: '10.0.0.1', family: 4 }]; // prettier-ignore
    const answering =
      (...all: (typeof good)[]): Resolve =>
      () =>
        Promise.resolve(all);
    expect(await asked(answering(good), false, true)).toEqual([good]);
    expect(await asked(answering(good), false, false)).toEqual(['8.8.8.8', 4]);
    expect(await asked(answering(good, bad), true, true)).toEqual([good, bad]);
    for (const resolve of [answering(good, bad), answering(bad, good), answering()])
      await expect(asked(resolve, false, true)).rejects.toThrow(AddressRefused);
  });
});
