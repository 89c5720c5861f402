import { playSeeds } from './play-seeds.ts';

playSeeds(1_001, 3_000);
