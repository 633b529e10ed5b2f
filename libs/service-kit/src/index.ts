export { createAuthenticator } from './authenticate.ts';
export type { AuthenticationOutcome, Authenticator, TrustedIssuer } from './authenticate.ts';
export { readConfig, readConfigOrExit } from './config.ts';
export type { Config, ConfigOutcome } from './config.ts';
export { createLog } from './log.ts';
export type { Log } from './log.ts';
export { describeFault, FHIR_JSON, operationOutcome, sendProblems, statusOf } from './problem-response.ts';
export { closeOnSignal, startService } from './start-service.ts';
export type { Service, ServiceOptions, Wiring } from './start-service.ts';
