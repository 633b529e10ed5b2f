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
