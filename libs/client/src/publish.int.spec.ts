/** Against a server that does what servers do: it breaks, is busy, forgets who one is, and refuses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient, type ClientOptions } from './client.ts';
import type { NewEvent, PublishResult } from './publish.ts';

interface SentEvent {
  readonly specversion: string;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string;
  readonly data: { readonly resourceType: string };
}
interface Sent {
  readonly request: IncomingMessage;
  readonly events: readonly SentEvent[];
  readonly bytes: number;
}
type Answer = (sent: Sent, response: ServerResponse) => void;

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Answers each request by the next of these, and from then on by the last. */
async function serve(...answers: readonly Answer[]) {
  const sent: Sent[] = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const one = { request, events: JSON.parse(body.toString()) as SentEvent[], bytes: body.length };
      sent.push(one);
      answers[Math.min(sent.length, answers.length) - 1]!(one, response);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, sent, client: clientOf({ url }) };
}

const clientOf = (options: Partial<ClientOptions> & { url: string }) =>
  createClient({ token: () => 'good', ...options });

const json = (response: ServerResponse, status: number, body: unknown, headers = {}) =>
  void response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(body));
const outcome = (diagnostics: string, code = 'value') => ({ resourceType: 'OperationOutcome', issue: [{ code, diagnostics, expression: ['[0].data'] }] }); // prettier-ignore
const resultsOf = (events: readonly SentEvent[], status: (event: SentEvent, index: number) => number) => ({
  results: events.map((event, index) => {
    const is = status(event, index);
    return {
      index,
      status: is,
      ...(is < 300 ? { location: `at/${event.id}` } : { outcome: outcome(`no ${is}`) }),
    };
  }),
});
const taking: Answer = ({ events }, response) =>
  json(
    response,
    200,
    resultsOf(events, () => 201),
  );
const refusing = (status: number, headers = {}): Answer => (_, response) => json(response, status, outcome(`no ${status}`), headers); // prettier-ignore
const breaking: Answer = (_, response) => void response.destroy();
const breakingLate: Answer = (_, response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"results":', () => response.destroy());
};

const event = (more: Partial<NewEvent> = {}): NewEvent => ({
  source: 'urn:x',
  data: { resourceType: 'Basic' },
  ...more,
});
const kinds = (results: readonly PublishResult[]) => results.map(({ kind }) => kind);

describe('an event', () => {
  it('is sent as a CloudEvent, with a token, and given its answer', async () => {
    const { client, sent } = await serve(taking);
    const given = event({ id: 'one', type: 'flag.raised', time: '2026-01-31T10:00:00Z' });
    expect(await client.publish(given)).toEqual({ id: 'one', source: 'urn:x', kind: 'recorded', location: 'at/one' });
    const [{ request, events }] = sent as [Sent];
    expect(events).toEqual([{ specversion: '1.0', datacontenttype: 'application/fhir+json', ...given }]);
    expect([request.method, request.url]).toEqual(['POST', '/activities']);
    expect(request.headers).toMatchObject({ authorization: 'Bearer good', 'content-type': 'application/cloudevents-batch+json' });
  }); // prettier-ignore

  it.each<[string, readonly Answer[]]>([
    ['the connection breaks', [breaking, breaking]],
    ['the answer breaks off', [breakingLate]],
    ['the answer is no JSON', [(_, response) => void response.writeHead(200).end('<html>')]],
    ['a proxy finds nobody', [refusing(502), refusing(504)]],
    ['the server is busy', [refusing(429, { 'retry-after': '0' }), refusing(503)]],
    ['it alone cannot be recorded just now', [({ events }, response) => json(response, 200, resultsOf(events, () => 503))]],
  ])('is sent again under the same id where %s', async (_, answers) => {
    const { client, sent } = await serve(...answers, taking);
    const result = await client.publish(event());
    expect(result).toMatchObject({ kind: 'recorded', location: `at/${result.id}` });
    expect(sent.map(({ events }) => events)).toEqual(Array.from({ length: answers.length + 1 }, () => sent[0]!.events));
    expect(result.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }); // prettier-ignore

  it('waits as long as the server asks', async () => {
    const { client } = await serve(refusing(503, { 'retry-after': '2' }), taking);
    const began = performance.now();
    await client.publish(event());
    expect(performance.now() - began).toBeGreaterThan(1_990);
  });

  it.each([400, 403, 409, 413, 415, 422, 500])(
    'is refused by a %i, and that is no exception',
    async (status) => {
      const { client, sent } = await serve(refusing(status));
      const problems = [{ code: 'value', message: `no ${status}`, expression: '[0].data' }];
      expect(await client.publish(event())).toMatchObject({ kind: 'refused', status, problems });
      expect(sent).toHaveLength(1);
    },
  );

  it('is refused with something, whatever the answer is', async () => {
    const { client } = await serve((_, response) => void response.writeHead(404).end('<html>'));
    expect(await client.publish(event())).toMatchObject({
      problems: [{ message: 'The server answered 404.' }],
    });
  });
});

describe('events', () => {
  it('have their answers in their order, over batches of 500', async () => {
    const { client, sent } = await serve(({ events }, response) => {
      json(
        response,
        200,
        resultsOf(events, ({ id }) => [201, 200, 422][Number(id) % 3]!),
      );
    });
    const results = await client.publish(
      Array.from({ length: 1_201 }, (_, index) => event({ id: `${index}` })),
    );
    expect(sent.map(({ events }) => events.length)).toEqual([500, 500, 201]);
    for (const [index, result] of results.entries()) {
      const kind = (['recorded', 'recorded-before', 'refused'] as const)[index % 3]!;
      expect(result).toMatchObject({ id: `${index}`, kind });
    }
    expect(await client.publish([])).toEqual([]);
  });

  it('are sent again alone, in their order, where others have their answers', async () => {
    const passing = new Set(['1', '3']);
    const { client, sent } = await serve(
      ({ events }, response) => json(response, 200, resultsOf(events, ({ id }) => (passing.has(id) ? 503 : 201))),
      taking,
    ); // prettier-ignore
    const results = await client.publish(['0', '1', '2', '3'].map((id) => event({ id })));
    expect(sent.map(({ events }) => events.map(({ id }) => id))).toEqual([
      ['0', '1', '2', '3'],
      ['1', '3'],
    ]);
    expect(kinds(results)).toEqual(['recorded', 'recorded', 'recorded', 'recorded']);
  });

  it('go in smaller batches to a server that takes less', async () => {
    const { client, sent } = await serve((one, response) =>
      (one.events.length > 2 ? refusing(413) : taking)(one, response),
    );
    const results = await client.publish(Array.from({ length: 7 }, (_, index) => event({ id: `${index}` })));
    expect(kinds(results)).toEqual(Array.from({ length: 7 }, () => 'recorded'));
    const taken = sent.filter(({ events }) => events.length <= 2).flatMap(({ events }) => events);
    expect(taken.map(({ id }) => id)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
  });

  it('are unsettled when time is up or the signal aborts, and keep their ids', async () => {
    const { client, sent } = await serve(taking, refusing(503, { 'retry-after': '60' }));
    const all = Array.from({ length: 501 }, () => event());
    const results = await client.publish(all, { giveUpAfterMs: 2_000 });
    expect([results[499]!.kind, results[500]!.kind]).toEqual(['recorded', 'unsettled']);
    expect(results[500]).toMatchObject({ id: sent[1]!.events[0]!.id, problems: [{ message: 'no 503' }] });

    const controller = new AbortController();
    const silent = await serve(() => controller.abort());
    const [stopped] = await silent.client.publish([event({ id: 'kept' })], { signal: controller.signal });
    expect(stopped).toMatchObject({ kind: 'unsettled', id: 'kept' });
    const [never] = await silent.client.publish([event()], { signal: controller.signal });
    expect([never!.kind, silent.sent.length]).toEqual(['unsettled', 1]);
  });
});

describe('the token', () => {
  it('is asked for once, and once more when it is not good any more', async () => {
    const { url, sent } = await serve((one, response) =>
      (one.request.headers.authorization === 'Bearer 2' ? taking : refusing(401))(one, response),
    );
    let asked = 0;
    const client = clientOf({ url, token: async () => `${(asked += 1)}` });
    const results = await Promise.all([client.publish(event()), client.publish(event())]);
    expect(kinds(results)).toEqual(['recorded', 'recorded']);
    expect(kinds([await client.publish(event())])).toEqual(['recorded']);
    expect([asked, sent.length]).toEqual([2, 5]);
  });

  it('that is not good when it is new is a refusal; one that cannot be had is waited for', async () => {
    const { url, sent } = await serve(refusing(401));
    expect(await clientOf({ url }).publish(event())).toMatchObject({ kind: 'refused', status: 401 });
    expect(sent).toHaveLength(2);
    const other = await serve(taking);
    let tries = 0;
    const token = () => {
      if ((tries += 1) < 3) throw new Error('the issuer is gone');
      return 'good';
    };
    expect(await clientOf({ url: other.url, token }).publish(event())).toMatchObject({ kind: 'recorded' });
  });
});
