import { describe, expect, it } from 'vitest';
import { readClusterConfig } from './cluster-config.ts';

const env = {
  CARELOG_LOG_URL: 'postgres://writer:x@db:5432/carelog',
  CARELOG_KEYRING_MASTER_KEY_FILE: '/run/secrets/master.key',
  CARELOG_WRITERS: 'writer-1:8090, [::1]:8091',
};

describe('the settings of a service', () => {
  it('are those that it names, beside those of every service', () => {
    const outcome = readClusterConfig(['logUrl', 'masterKeyFile', 'writers', 'kafkaTopic'], {
      ...env,
      PORT: '0',
    });
    expect(outcome).toMatchObject({ kind: 'valid', config: { port: 0 } });
    expect(outcome.kind === 'valid' && outcome.cluster).toEqual({
      logUrl: env.CARELOG_LOG_URL,
      masterKeyFile: '/run/secrets/master.key',
      writers: [
        { host: 'writer-1', port: 8090 },
        { host: '::1', port: 8091 },
      ],
      kafkaTopic: 'carelog.activities',
    });
  });

  it('are refused all at once, and never repeated, since they hold passwords', () => {
    const outcome = readClusterConfig(['logUrl', 'accessLogUrl', 'writers', 'writerPort'], {
      PORT: 'x',
      CARELOG_LOG_URL: 'mysql://writer:secret@db/carelog',
      CARELOG_WRITERS: 'writer-1',
      CARELOG_WRITER_PORT: '70000',
    });
    const problems = outcome.kind === 'invalid' ? outcome.problems : [];
    const named = problems.map((line) => line.split(' ', 1)[0]);
    expect(named).toEqual(['PORT', 'CARELOG_LOG_URL', 'CARELOG_ACCESS_LOG_URL', 'CARELOG_WRITERS', 'CARELOG_WRITER_PORT']); // prettier-ignore
    expect(problems.join()).not.toMatch(/secret|mysql/);
  });

  it.each(['writer', 'writer:', ':1', 'a b:1', 'writer:1,,writer:2', 'http://writer:1'])(
    'do not take %j for writers',
    (text) => {
      expect(readClusterConfig(['writers'], { CARELOG_WRITERS: text }).kind).toBe('invalid');
    },
  );
});
