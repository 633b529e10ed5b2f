export { readKafkaSettings } from './kafka-settings.ts';
export type { KafkaSettings, KafkaSettingsOutcome } from './kafka-settings.ts';
export { KnownMessages } from './known-messages.ts';
export { consumeLanes } from './lane-consumer.ts';
export type { LaneBatch, LaneConsumer, LaneConsumerOptions } from './lane-consumer.ts';
export { openLaneProducer, SendDoubt } from './lane-producer.ts';
export type { LanePage, LaneProducer } from './lane-producer.ts';
export { laneOf } from './lanes.ts';
export { decodeMessage, encodeHeartbeat, encodeMessage } from './message.ts';
export type { Delivered, LaneMessage, LanePlace, ReceivedMessage } from './message.ts';
export {
  migrateDistribution,
  readRelayCheckpoint,
  RELAYED,
  RelayStateMismatch,
  standBy,
} from './relay-state.ts';
export type { RelayCheckpoint, RelayLease, StandByOptions } from './relay-state.ts';
export { ensureTopic, TopicMismatch } from './topic.ts';
