import { Kafka, logLevel } from 'kafkajs';
import { letIdleConnectionsRest } from './idle-connections.ts';
import type { KafkaSettings } from './kafka-settings.ts';

letIdleConnectionsRest();

/**
 * A client of kafkajs with our settings. It hardly tries again by itself: whoever uses it knows what may be tried again.
 * It logs nothing, because its log has addresses and stacks in it; faults are thrown.
 */
export function kafkaClient(
  { brokers, ssl, sasl }: KafkaSettings,
  clientId: string,
  requestTimeout = 10_000,
): Kafka {
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: Math.min(requestTimeout, 5_000),
    authenticationTimeout: requestTimeout,
    requestTimeout,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    logLevel: logLevel.NOTHING,
  });
}
