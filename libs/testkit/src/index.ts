export { anEvent } from './events.ts';
export { aPatient, anObservation } from './resources.ts';
export { startTcpProxy } from './tcp-proxy.ts';
export type { TcpProxy } from './tcp-proxy.ts';
export { temporaryFolder } from './temporary-folder.ts';
