import { defaultPolicy } from '@carelog/access';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { defaultAllowances } from './request-limits.ts';

describe('the settings', () => {
  it('have defaults that need nothing to be set', () => {
    expect(readConfig({})).toEqual({
      kind: 'valid',
      config: {
        port: 8080,
        host: '127.0.0.1',
        dataFolder: resolve('data'),
        demo: true,
        logLevel: 'info',
        bodyLimit: 32 * 1024 * 1024,
        accessLog: 'written',
        policy: defaultPolicy(),
        embeddedIdentity: true,
        apps: [],
        issuers: [],
        allowances: defaultAllowances,
        corsOrigins: [],
        trustedProxies: [],
      },
    });
  });

  it('are taken from the environment', () => {
    const env = {
      PORT: '0',
      HOST: '::1',
      CARELOG_DATA: '/var/lib/carelog',
      CARELOG_DEMO: 'off',
      CARELOG_URL: 'https://record.example.nhs.uk/',
      CARELOG_LOG: 'debug',
      CARELOG_BODY_LIMIT_MB: '1',
      CARELOG_LIMIT_PATIENTS: '5/10/2',
      CARELOG_CORS_ORIGINS: 'https://app.example.nhs.uk, http://localhost:3000',
      CARELOG_TRUSTED_PROXIES: '10.0.0.5,fd00::/8',
    };
    expect(readConfig(env)).toEqual({
      kind: 'valid',
      config: {
        port: 0,
        host: '::1',
        dataFolder: '/var/lib/carelog',
        demo: false,
        publicUrl: 'https://record.example.nhs.uk',
        logLevel: 'debug',
        bodyLimit: 1024 * 1024,
        accessLog: 'written',
        policy: defaultPolicy(),
        embeddedIdentity: true,
        apps: [],
        issuers: [],
        allowances: { ...defaultAllowances, patients: { perSecond: 5, burst: 10, atOnce: 2 } },
        corsOrigins: ['https://app.example.nhs.uk', 'http://localhost:3000'],
        trustedProxies: ['10.0.0.5', 'fd00::/8'],
      },
    });
  });

  it('count as not set when they are set to nothing', () => {
    expect(readConfig({ PORT: '', CARELOG_DEMO: '', CARELOG_URL: '' })).toEqual(readConfig({}));
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80a'],
    ['CARELOG_DEMO', 'yes'],
    ['CARELOG_URL', 'record.example.nhs.uk'],
    ['CARELOG_URL', 'ftp://record.example.nhs.uk'],
    ['CARELOG_URL', 'https://example.nhs.uk/record'],
    ['CARELOG_URL', 'https://user@example.nhs.uk'],
    ['CARELOG_LOG', 'everything'],
    ['CARELOG_BODY_LIMIT_MB', '0'],
    ['CARELOG_BODY_LIMIT_MB', '1.5'],
    ['CARELOG_DRAIN_SECONDS', '-1'],
    ['CARELOG_EMBEDDED_IDENTITY', 'maybe'],
    ['CARELOG_LIMIT_STAFF', '20'],
    ['CARELOG_LIMIT_STAFF', '20/0/8'],
    ['CARELOG_LIMIT_STRANGERS', 'none'],
    ['CARELOG_CORS_ORIGINS', '*'],
    ['CARELOG_CORS_ORIGINS', 'https://app.example.nhs.uk/path'],
    ['CARELOG_CORS_ORIGINS', 'https://app.example.nhs.uk null'],
    ['CARELOG_TRUSTED_PROXIES', 'proxy.example.nhs.uk'],
    ['CARELOG_TRUSTED_PROXIES', '10.0.0.0/33'],
  ])('refuse %s=%s and say what it must be', (name, value) => {
    const outcome = readConfig({ [name]: value });
    expect(outcome).toEqual({
      kind: 'invalid',
      problems: [expect.stringMatching(new RegExp(`^${name} must be .+\\.$`))],
    });
  });

  it('report everything that is wrong at once', () => {
    const outcome = readConfig({ PORT: 'http', CARELOG_DEMO: 'perhaps', CARELOG_LOG: 'loud' });
    expect(outcome).toMatchObject({ kind: 'invalid', problems: { length: 3 } });
  });

  describe('on who may sign in', () => {
    const problemsOf = (env: Record<string, string>) => {
      const outcome = readConfig(env);
      return outcome.kind === 'invalid' ? outcome.problems : outcome.config.embeddedIdentity;
    };

    it('keep the personas out of production, unless told', () => {
      expect(problemsOf({ NODE_ENV: 'production' })).toEqual([
        expect.stringMatching(/^CARELOG_ISSUERS must name .+ NODE_ENV is production/),
      ]);
      expect(problemsOf({ NODE_ENV: 'production', CARELOG_EMBEDDED_IDENTITY: 'on' })).toBe(true);
      expect(problemsOf({ NODE_ENV: 'test' })).toBe(true);
    });

    it('take an access policy that is sound as a whole, or say everything that is wrong with it', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'carelog-policy-'));
      const file = join(folder, 'policy.json');
      const told = { CARELOG_ACCESS_POLICY: file };
      expect(problemsOf(told)).toEqual([
        expect.stringMatching(/^CARELOG_ACCESS_POLICY names .+ cannot be read/),
      ]);
      await writeFile(file, JSON.stringify({ ...defaultPolicy(), version: 'site-1' }));
      expect(readConfig(told)).toMatchObject({ kind: 'valid', config: { policy: { version: 'site-1' } } });
      await writeFile(
        file,
        JSON.stringify({ ...defaultPolicy(), version: '', roles: { R1: {} }, rules: [] }),
      );
      const problems = problemsOf(told);
      for (const what of ['version', 'roles', 'rules'])
        expect(problems).toContainEqual(expect.stringContaining(what));
      await rm(folder, { recursive: true });
    });

    it('leave nobody without a way in', () => {
      expect(problemsOf({ CARELOG_EMBEDDED_IDENTITY: 'off' })).toEqual([
        expect.stringMatching(/^CARELOG_ISSUERS must name .+ CARELOG_EMBEDDED_IDENTITY is off/),
      ]);
    });

    it('leave nobody to load the demonstration where there are no personas', () => {
      const env = { CARELOG_EMBEDDED_IDENTITY: 'off', CARELOG_DEMO: 'on', CARELOG_ISSUERS: '/nowhere.json' };
      expect(problemsOf(env)).toEqual([
        expect.stringMatching(/^CARELOG_ISSUERS names /),
        expect.stringMatching(/^CARELOG_DEMO must be off/),
      ]);
    });
  });
});
