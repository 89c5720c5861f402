/**
 * Lets plain Node 20, which cannot strip types, load the TypeScript of the tests' helpers: the
 * recorder of the fixtures and the benches import this file first and the helpers after it.
 */
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
