export { createClient } from './client.ts';
export type { CarelogClient, ClientOptions } from './client.ts';
export { CarelogError } from './problems.ts';
export type { Problem } from './problems.ts';
export type { NewEvent, PublishOptions, PublishResult } from './publish.ts';
export type { CarelogEvent, Cursor, EventHandler, SubscribeOptions } from './subscribe.ts';
