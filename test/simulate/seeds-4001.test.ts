import { playSeeds } from './play-seeds.ts';

playSeeds(4_001, 3_000);
