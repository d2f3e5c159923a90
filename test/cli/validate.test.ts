/** `bitloom hw validate` from the built command: every published figure is there and agrees. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EvidenceGroup } from "../../simulator/evidence/index.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

describe("hw validate", () => {
  let bitloom: Bitloom;
  beforeAll(async () => {
    bitloom = await buildBitloom();
  });
  afterAll(() => bitloom.dispose());

  it("agrees with every figure that can be decided", () => {
    const { exit, stdout } = bitloom.run(["hw", "validate", "--json"]);
    const document = JSON.parse(stdout);
    expect([exit, document.schema, document.ok]).toEqual([0, "bitloom.validate/1", true]);
    const groups: readonly EvidenceGroup[] = document.groups;
    const counted = groups.map(({ name, rows }) => [name, rows.reduce((sum, r) => sum + (r.times ?? 0), 0)]);
    expect(Object.fromEntries(counted)).toEqual({
      "bitmod-headlines": 9,
      "bitmod-v1": 2 * 60,
      "bitmod-v2": 2 * 180,
      "ant-times": 34,
      "ant-totals": 2 * 72,
      "ant-layers": 4 * 1729,
      bitfusion: 2 * 40,
      scalesim: 2 * 763,
      "scalesim-user": 2 * 111,
      "register-transfer": 5,
      stonne: 5,
      "tpu-v3": 8,
      "olive-machines": 8,
      olive: 10,
    });
    for (const group of groups) for (const row of group.rows) expect(row.claim).not.toMatch(/undefined|NaN/);
  }, 120_000);
});
