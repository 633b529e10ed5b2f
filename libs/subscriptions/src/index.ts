export { resourceTypeOf } from './notice.ts';
export type { Notice } from './notice.ts';
export type {
  NewSubscription,
  NumberedNotice,
  Owner,
  StoredSubscription,
  SubscriptionPage,
  SubscriptionStatus,
  SubscriptionStore,
} from './subscription-store.ts';
export { openPostgresSubscriptionStore } from './postgres/postgres-subscription-store.ts';
export { migrateSubscriptions } from './postgres/schema.ts';
export { backupSubscriptions } from './sqlite/open-database.ts';
export { openSqliteSubscriptionStore } from './sqlite/sqlite-subscription-store.ts';
export { openHookSender } from './hooks/hook-sender.ts';
export type { HookDelivery, HookOutcome, HookSender, HookSenderOptions } from './hooks/hook-sender.ts';
export type { HookOrigin } from './hooks/hook-origins.ts';
export { nextTry } from './hooks/next-try.ts';
export type { Signing } from './hooks/signature.ts';
export { sealingBy } from './sealing.ts';
export type { Sealing } from './sealing.ts';
