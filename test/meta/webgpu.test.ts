/** The two places where our WGSL runs are real: Dawn in Node, and a page in Chromium. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { openPage } from "../browser.ts";
import { vectorAdd } from "../fixtures/vector-add.ts";
import { describeWith } from "../tools.ts";
import { openDevice } from "../webgpu.ts";

const a = Array.from({ length: 1000 }, (_, i) => i / 8);
const b = a.map((x) => 3 - 2 * x);
const expected = a.map((x) => 3 - x);

describeWith(["vulkan", "swiftshader"], "Dawn in Node", () => {
  it("adds two vectors and shuts down", async () => {
    const open = await openDevice();
    expect([...(await vectorAdd(open.device, Float32Array.from(a), Float32Array.from(b)))]).toEqual(expected);
    await open.close();
  });

  it("reports a shader that does not validate", async () => {
    const open = await openDevice();
    open.device.createShaderModule({ code: "fn main() -> u32 { return 1.5; }" });
    await expect(open.close()).rejects.toThrow(/1\.5|u32/);
  });
});

describeWith(["chromium"], "a page in Chromium", () => {
  it("adds two vectors", async () => {
    const page = await openPage(fileURLToPath(new URL("../fixtures/vector-add.ts", import.meta.url)));
    try {
      expect(await page.call("vectorAddInPage", { a, b })).toEqual(expected);
    } finally {
      await page.close();
    }
  });
});
