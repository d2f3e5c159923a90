import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Vitest leaves one core idle unless told otherwise: half of a small machine.
    maxWorkers: availableParallelism(),
  },
});
