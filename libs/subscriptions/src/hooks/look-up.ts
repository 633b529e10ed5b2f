/** What an endpoint's name leads to, asked at each connection and looked at there, so that no later answer is a way around. */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPublicAddress } from './public-addresses.ts';

export interface Address {
  readonly address: string;
  readonly family: number;
}
/** Rejects where the name leads nowhere. */
export type Resolve = (hostname: string) => Promise<readonly Address[]>;

/** The name leads to an address that is not called. */
export class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/**
 * Names that anybody may choose are asked of DNS by a resolver that takes no thread of the process: a name server that is slow on
 * purpose must not hold up files and everybody else's names. `servers`: those of the machine unless told.
 */
export const resolveByDns =
  (servers?: readonly string[]): Resolve =>
  async (hostname) => {
    // A new one each time: it reads which name servers there are.
    const resolver = new dns.promises.Resolver({ timeout: 1_000, tries: 2 });
    if (servers !== undefined) resolver.setServers(servers);
    const asked = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = asked.flatMap((answer, index) =>
      answer.status === 'rejected'
        ? []
        : answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })),
    );
    const [first] = asked;
    if (addresses.length === 0) throw first.status === 'rejected' ? first.reason : new Error('No address');
    return addresses;
  };

/** Names that the operator lists are asked of the system, which knows the hosts file and search domains; once at a time each. */
export function resolveBySystem(): Resolve {
  const asking = new Map<string, Promise<readonly Address[]>>();
  return (hostname) => {
    const known = asking.get(hostname);
    if (known !== undefined) return known;
    const asked = dns.promises.lookup(hostname, { all: true }).finally(() => asking.delete(hostname));
    asking.set(hostname, asked);
    return asked;
  };
}

/** For a socket. One address that is not public is enough to refuse them all. */
export function lookupWith(resolve: Resolve, allowPrivate: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses;
        const isRefused = !allowPrivate && !addresses.every(({ address }) => isPublicAddress(address));
        if (first === undefined || isRefused)
          process.nextTick(callback, new AddressRefused('An address is refused'), '', 0); // prettier-ignore
        else if (options.all === true) process.nextTick(callback, null, [...addresses]);
        else process.nextTick(callback, null, first.address, first.family);
      },
      (fault: Error) => process.nextTick(callback, fault, '', 0),
    );
  };
}
