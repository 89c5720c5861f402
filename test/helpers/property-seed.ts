/**
 * Properties draw the same cases in every run, so that a run that was green stays so;
 * `PROPERTY_SEED=$RANDOM npm test` draws others.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 20_261_128) });
