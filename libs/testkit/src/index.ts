export { aPatient, anObservation } from './resources.ts';
export { temporaryFolder } from './temporary-folder.ts';
