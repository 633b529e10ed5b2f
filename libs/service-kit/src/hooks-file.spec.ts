import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-hooks-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, `${rootCertificates[0]!}\n`);
const file = join(folder, 'hooks.json');

function read(content: unknown) {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  const outcome = readConfig({ CARELOG_HOOKS: file });
  return outcome.kind === 'valid' ? outcome.config.hooks : outcome.problems;
}
const oauth = { tokenUrl: 'https://id.example.nhs.uk/token', clientId: 'carelog', clientSecretFile: '/run/secrets/hook' }; // prettier-ignore

describe('the file that CARELOG_HOOKS names', () => {
  it('is no list where it is not set, and may be one of nothing', () => {
    expect(readConfig({})).not.toHaveProperty('config.hooks');
    expect(read({ hooks: [] })).toEqual([]);
  });

  it('is taken as it is written', () => {
    const hooks = [
      { origin: 'https://*' },
      { origin: 'https://epr.example.nhs.uk:8443', allowPrivate: true, caFile, oauth },
      { origin: 'http://10.1.2.3:9000', allowPrivate: true, allowHttp: true, oauth: { ...oauth, tokenUrl: 'http://10.1.2.3/token', scope: 'a b' } }, // prettier-ignore
      { origin: 'https://[fd00::1]', allowPrivate: true },
    ];
    expect(read({ hooks })).toEqual(hooks);
  });

  it.each([
    ['no JSON', '{', 'is not JSON'],
    ['no list', { hooks: 'https://*' }, 'hooks must be a list'],
    ['a setting that there is not', { hooks: [{ origin: 'https://a.example', allowAll: true }] }, 'allowAll'],
    ['no origin', { hooks: [{}] }, 'hooks.0.origin must be an origin'],
    ['a path', { hooks: [{ origin: 'https://a.example/hook' }] }, 'hooks.0.origin must be an origin'],
    ['a slash at the end', { hooks: [{ origin: 'https://a.example/' }] }, 'hooks.0.origin must be'],
    ['the port that is meant anyway', { hooks: [{ origin: 'https://a.example:443' }] }, 'hooks.0.origin must be'], // prettier-ignore
    ['another scheme', { hooks: [{ origin: 'ws://a.example' }] }, 'hooks.0.origin must be'],
    ['a star within a name', { hooks: [{ origin: 'https://*.example' }] }, 'hooks.0.origin must be'],
    ['a user', { hooks: [{ origin: 'https://ann@a.example' }] }, 'hooks.0.origin must be'],
    ['an origin twice', { hooks: [{ origin: 'https://a.example' }, { origin: 'https://a.example' }] }, 'twice'], // prettier-ignore
    ['http, unsaid', { hooks: [{ origin: 'http://a.example' }] }, 'hooks.0.allowHttp must be true'],
    ['private addresses of strangers', { hooks: [{ origin: 'https://*', allowPrivate: true }] }, 'hooks.0.origin https://* stands for strangers'], // prettier-ignore
    ['no truth', { hooks: [{ origin: 'https://a.example', allowPrivate: 'yes' }] }, 'allowPrivate must be true or false'], // prettier-ignore
    ['no authority', { hooks: [{ origin: 'https://a.example', caFile: '/nowhere.pem' }] }, 'hooks.0.caFile must name'], // prettier-ignore
    ['an authority that is none', { hooks: [{ origin: 'https://a.example', caFile: file }] }, 'hooks.0.caFile must name'], // prettier-ignore
    ['half of OAuth', { hooks: [{ origin: 'https://a.example', oauth: { tokenUrl: 'https://a.example/t' } }] }, 'hooks.0.oauth.clientId must be'], // prettier-ignore
    ['a secret over http', { hooks: [{ origin: 'https://a.example', oauth: { ...oauth, tokenUrl: 'http://a.example/t' } }] }, 'hooks.0.oauth.tokenUrl must be an https address'], // prettier-ignore
  ])('with %s is refused', (_, content, problem) => {
    expect(read(content)).toContainEqual(expect.stringContaining(problem));
  });

  it('says everything that is wrong at once, beside other settings', () => {
    writeFileSync(file, JSON.stringify({ hooks: [{ origin: 'a' }, { origin: 'b', caFile: 1 }] }));
    expect(readConfig({ CARELOG_HOOKS: file, PORT: 'x' })).toMatchObject({ problems: { length: 4 } });
  });
});
