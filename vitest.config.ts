import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/privileged/**'],
        },
      },
      {
        // Real servers in network namespaces: one file at a time, so that they do not share the cores.
        test: {
          name: 'privileged',
          include: ['test/privileged/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
