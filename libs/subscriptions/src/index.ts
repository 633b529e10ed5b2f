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
