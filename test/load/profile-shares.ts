/** Which part of the house the samples of a V8 profile were in. */

export interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds. */
  readonly timeDeltas: readonly number[];
}
interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** The first that matches a frame, or else one of the frames that called it, is where a sample was. */
const PARTS: readonly (readonly [part: string, frame: RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['writing to sockets', /^(writev|writeBuffer|writeUtf8String|writeLatin1String|shutdown) $/],
  ['sealing and opening', /libs\/keyring\//],
  ['reading and writing JSON', /fhir\/src\/(parse-json|scan-json|content|stringify)/],
  ['validation', /fhir\/src\/validation\//],
  ['conditions of searches and index entries', /fhir\/src\/search\/|record-projection|record\/index-rows/],
  ['SQLite: record', /libs\/read-models\//],
  ['SQLite and fsync: log', /event-store\/src\/sqlite/],
  ['event store beside SQLite', /libs\/event-store\//],
  ['plan: identity, references, conditions, events', /apps\/activity-writer\/|libs\/activity\/|fhir\/src\//],
  ['gateway', /apps\/query-gateway\/|libs\/access\//],
  ['projection', /libs\/projection\/|apps\/projector\//],
  [
    'HTTP',
    /node_modules\/|libs\/service-kit\/|node:_http|node:net|internal\/(streams|stream_base|url|querystring)/,
  ],
];

const REST = 'the rest';
/** All that a sample can be in. */
export const parts: readonly string[] = [...PARTS.map(([part]) => part), REST];

/** Shares of the last `microseconds` of a profile, by part. */
export function sharesOf({ nodes, samples, timeDeltas }: Profile, microseconds: number): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const))); // prettier-ignore
  const known = new Map<number, string>();
  const partOf = (id: number | undefined): string => {
    if (id === undefined) return REST;
    const before = known.get(id);
    if (before !== undefined) return before;
    const { functionName, url } = byId.get(id)!.callFrame;
    const own = PARTS.find(([, frame]) => frame.test(`${functionName} ${url}`))?.[0];
    const part = own ?? partOf(parents.get(id));
    known.set(id, part);
    return part;
  };
  const shares = new Map<string, number>();
  let counted = 0;
  for (let i = samples.length - 1; i >= 0 && counted < microseconds; i -= 1) {
    const part = partOf(samples[i]);
    shares.set(part, (shares.get(part) ?? 0) + timeDeltas[i]!);
    counted += timeDeltas[i]!;
  }
  for (const [part, time] of shares) shares.set(part, time / counted);
  return shares;
}
