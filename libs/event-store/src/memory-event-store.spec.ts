import { describeEventStore } from './contract.ts';
import { createMemoryEventStore } from './memory-event-store.ts';

describeEventStore('memory', createMemoryEventStore);
