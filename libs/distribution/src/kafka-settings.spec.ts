import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@carelog/testkit';
import { describe, expect, it } from 'vitest';
import { readKafkaSettings } from './kafka-settings.ts';

const folder = temporaryFolder();
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), `${text}\n`);
  return join(folder, name);
};

describe('the settings for Kafka', () => {
  it('are those of a broker on this machine unless told', () => {
    expect(readKafkaSettings({ CARELOG_KAFKA_BROKERS: '' })).toEqual({
      kind: 'valid',
      settings: { brokers: ['127.0.0.1:9092'], topic: 'carelog.activities', lanes: 12, replicas: 1 },
    });
  });

  it('take secrets from files', () => {
    const outcome = readKafkaSettings({
      CARELOG_KAFKA_BROKERS: 'one:9092, [2001:db8::2]:9092',
      CARELOG_KAFKA_TOPIC: 'site.log',
      CARELOG_KAFKA_LANES: '64',
      CARELOG_KAFKA_REPLICAS: '3',
      CARELOG_KAFKA_TLS: 'on',
      CARELOG_KAFKA_CA_FILE: file('ca', 'authority'),
      CARELOG_KAFKA_CERTIFICATE_FILE: file('cert', 'certificate'),
      CARELOG_KAFKA_KEY_FILE: file('key', 'key'),
      CARELOG_KAFKA_SASL: 'scram-sha-512',
      CARELOG_KAFKA_USER: 'relay',
      CARELOG_KAFKA_PASSWORD_FILE: file('password', 'secret'),
    });
    expect(outcome).toEqual({
      kind: 'valid',
      settings: {
        brokers: ['one:9092', '[2001:db8::2]:9092'],
        topic: 'site.log',
        lanes: 64,
        replicas: 3,
        ssl: { ca: ['authority'], cert: 'certificate', key: 'key' },
        sasl: { mechanism: 'scram-sha-512', username: 'relay', password: 'secret' },
      },
    });
  });

  it.each([
    ['CARELOG_KAFKA_BROKERS', { CARELOG_KAFKA_BROKERS: 'one' }],
    ['CARELOG_KAFKA_BROKERS', { CARELOG_KAFKA_BROKERS: 'http://one:9092' }],
    ['CARELOG_KAFKA_TOPIC', { CARELOG_KAFKA_TOPIC: 'a topic' }],
    ['CARELOG_KAFKA_LANES', { CARELOG_KAFKA_LANES: '0' }],
    ['CARELOG_KAFKA_REPLICAS', { CARELOG_KAFKA_REPLICAS: '10' }],
    ['CARELOG_KAFKA_TLS', { CARELOG_KAFKA_TLS: 'yes' }],
    ['CARELOG_KAFKA_CA_FILE', { CARELOG_KAFKA_TLS: 'on', CARELOG_KAFKA_CA_FILE: '/no/such/file' }],
    ['CARELOG_KAFKA_KEY_FILE', { CARELOG_KAFKA_TLS: 'on', CARELOG_KAFKA_CERTIFICATE_FILE: file('c', 'c') }],
    ['CARELOG_KAFKA_SASL', { CARELOG_KAFKA_SASL: 'gssapi' }],
    ['CARELOG_KAFKA_PASSWORD_FILE', { CARELOG_KAFKA_SASL: 'scram-sha-256', CARELOG_KAFKA_USER: 'relay' }],
    [
      'CARELOG_KAFKA_TLS',
      {
        CARELOG_KAFKA_SASL: 'plain',
        CARELOG_KAFKA_USER: 'relay',
        CARELOG_KAFKA_PASSWORD_FILE: file('p', 'p'),
      },
    ],
  ])('are refused by name: %s, %o', (name, env) => {
    const outcome = readKafkaSettings(env);
    expect(outcome).toEqual({ kind: 'invalid', problems: [expect.stringContaining(name)] });
  });
});
