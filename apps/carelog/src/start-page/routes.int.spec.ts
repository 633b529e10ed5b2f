import { createLog, startService } from '@carelog/service-kit';
import type { Service } from '@carelog/service-kit';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPageRoutes } from './routes.ts';

let service: Service;
beforeAll(async () => {
  service = await startService({
    config: { port: 0, host: '127.0.0.1', bodyLimit: 1024 },
    log: createLog('silent'),
    issuers: () => [],
    routes(fastify, { url }) {
      startPageRoutes(fastify, {
        docsFolder: join(import.meta.dirname, '../../../../docs'),
        facts: () => ({
          version: '1.2.3',
          startedAt: new Date(0),
          demo: true,
          people: 1,
          events: 2,
          head: 2,
          projections: [],
          personas: [],
          url: url(),
        }),
      });
    },
  });
});
afterAll(() => service.close());

describe('the start page, served', () => {
  it('may run and load nothing but what the service itself serves', async () => {
    const response = await fetch(service.url());
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|script-src|https?:/);
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('finds its style sheets and its icon, none of which leads elsewhere', async () => {
    const page = await (await fetch(service.url())).text();
    const assets = [...page.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
    expect(assets.length).toBe(3);
    for (const path of assets) {
      const response = await fetch(service.url() + path);
      expect([path, response.status]).toEqual([path, 200]);
      const addresses = (await response.text()).match(/https?:\/\/[\w.-]+/g) ?? [];
      expect(addresses.filter((address) => address !== 'http://www.w3.org')).toEqual([]);
    }
  });

  it('leads to the documentation', async () => {
    const response = await fetch(`${service.url()}/docs/`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toMatch(/^# /);
  });

  it.each([
    '/docs/../package.json',
    '/docs/%2e%2e/package.json',
    '/docs/..%2fpackage.json',
    '/assets/routes.ts',
    '/assets/',
  ])('gives away nothing else: %s', async (path) => {
    expect((await fetch(service.url() + path)).status).toBe(404);
  });
});
