export { arrayOf, type ArrayType, type ArrayValue } from './arrays.ts';
export { listen, type Listening, type ListeningOptions } from './listen.ts';
export { sampledLittle } from './statistics.ts';
