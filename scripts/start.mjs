// `npm start`: sets up what is missing, builds what is out of date, and becomes the server on Node 26.
import { become } from './become.mjs';

await become('apps/carelog/src/main.ts');
