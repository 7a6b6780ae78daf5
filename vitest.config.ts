import { defineConfig } from 'vitest/config'

/**
 * `pure`: no server. `workerd`: the Worker in the real runtime. `e2e`: the real server, agent, engine and model; `long`: for minutes.
 */
const slow = { testTimeout: 60_000, hookTimeout: 60_000 }
/**
 * What is waited for takes its time: several boxes, cancels, grace, downloads, evictions at every step, engines of all kinds in
 * processes of their own; and what is tried in every way: layouts of channels, precisions of a network.
 */
const FLEET = [
  ...['dispatch', 'registry', 'models', 'models-load', 'models-pull', 'models-fleet', 'per-channel'].map(
    (name) => `tests/e2e/${name}.test.ts`,
  ),
  'tests/workerd/durability.test.ts',
  'tests/agent/engine-list.test.ts',
  'tests/agent/scripted-engines.test.ts',
  'tests/engines/prepare-channels.test.ts',
  'tests/engines/whisper-precision.test.ts',
  'tests/engines/whisper-precision-ends.test.ts',
]
/** One at a time: what is measured, and what drives a browser. */
const alone = { ...slow, fileParallelism: false }

export default defineConfig({
  test: {
    // Many tests wait for real processes: one more than the cores keeps them busy.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'pure',
          include: ['tests/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'tests/workerd/**',
            'tests/e2e/**',
            'tests/browser/**',
            'tests/long/**',
            ...FLEET,
          ],
          testTimeout: 30_000,
        },
      },
      { test: { name: 'workerd', include: ['tests/workerd/**/*.test.ts'], exclude: FLEET, ...slow } },
      { test: { name: 'e2e', include: ['tests/e2e/**/*.test.ts'], exclude: FLEET, ...slow } },
      { test: { name: 'fleet', include: FLEET, ...slow } },
      { test: { name: 'long', include: ['tests/long/**/*.test.ts'], ...alone, testTimeout: 900_000 } },
      { test: { name: 'browser', include: ['tests/browser/**/*.test.ts'], ...alone } },
    ],
  },
})
