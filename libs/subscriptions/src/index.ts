export { Feed } from './feed.ts';
export type { Batch, FeedSource, Listener, Listening } from './feed.ts';
export { resourceTypeOf } from './notice.ts';
export type { Notice } from './notice.ts';
export { openHeaders, sealHeaders, signingSecret } from './sealing.ts';
export { signalText } from './signal.ts';
export type {
  NewSubscription,
  NumberedNotice,
  Owner,
  StoredSubscription,
  SubscriptionPage,
  SubscriptionProgress,
  SubscriptionStatus,
  SubscriptionStore,
} from './subscription-store.ts';
export { isWanted, PATIENT_RECORD, topicNamed, topicsWith, TOPIC_BASE } from './topics.ts';
export type { Filter, NamedWorklist, Topic } from './topics.ts';
export { openPostgresSubscriptionStore } from './postgres/postgres-subscription-store.ts';
export { migrateSubscriptions } from './postgres/schema.ts';
export { backupSubscriptions } from './sqlite/open-database.ts';
export { openSqliteSubscriptionStore } from './sqlite/sqlite-subscription-store.ts';
export { openHookSender } from './hooks/hook-sender.ts';
export type { HookDelivery, HookOutcome, HookSender, HookSenderOptions } from './hooks/hook-sender.ts';
export type { HookOrigin } from './hooks/hook-origins.ts';
export { nextTry } from './hooks/next-try.ts';
export type { Signing } from './hooks/signature.ts';
