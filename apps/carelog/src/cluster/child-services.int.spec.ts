/** A service that cannot start says so at once to whoever started it, and is gone. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@carelog/service-kit';
import { afterAll, expect, it } from 'vitest';
import { PortIsTaken, RunningService } from './child-services.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-child-'));
const key = join(folder, 'key');
writeFileSync(key, randomBytes(32).toString('base64url'), { mode: 0o600 });
const log = createLog('silent');
/** Takes connections and answers nothing, as anything may that listens on a port. */
const other = createServer().listen(0, '127.0.0.1');
await once(other, 'listening');
const { port: taken } = other.address() as AddressInfo;
const NOWHERE = 9;
const running: RunningService[] = [];

afterAll(async () => {
  await Promise.all(running.map((it) => it.stop()));
  other.close();
  rmSync(folder, { recursive: true });
});

function start(service: 'relay' | 'writer', port: number): RunningService {
  const database = `postgres://nobody@127.0.0.1:${NOWHERE}/none`;
  const databases = ['LOG', 'ACCESS_LOG', 'READ_MODELS', 'DISTRIBUTION', 'KEYRING'].map((name) => [`CARELOG_${name}_URL`, database]); // prettier-ignore
  const env = {
    ...(Object.fromEntries(databases) as Record<string, string>),
    CARELOG_KEYRING_MASTER_KEY_FILE: key,
    CARELOG_SERVICE_KEY_FILE: key,
    CARELOG_KAFKA_BROKERS: `127.0.0.1:${NOWHERE}`,
    CARELOG_DATA: join(folder, service),
    CARELOG_WRITER_PORT: '0',
    PORT: String(port),
  };
  const started = new RunningService({ name: `${service} 1`, service, port, env }, log);
  running.push(started);
  return started;
}

it('ends where its engines cannot be reached, and does not hang', async () => {
  await expect(start('writer', NOWHERE).ready()).rejects.toThrow(
    /^The writer 1 ended before it was ready\. Its own words/,
  );
});

it('names the port that something else listens on', async () => {
  await expect(start('relay', taken).ready()).rejects.toEqual(new PortIsTaken('relay 1', taken));
});
