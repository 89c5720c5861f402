import { playSeeds } from './play-seeds.ts';

playSeeds(7_001, 3_000);
