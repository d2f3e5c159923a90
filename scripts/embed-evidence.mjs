// Writes simulator/evidence/published-tables.ts from test/data: the published figures that `bitloom hw validate` compares with.
import { readFileSync, writeFileSync } from "node:fs";

const output = new URL("../simulator/evidence/published-tables.ts", import.meta.url);

/** @param {string} line */
const fieldsOf = (line) => [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map((m) => m[1] ?? m[2] ?? "");

/**
 * Rows by column name of test/data/`path`.
 * @param {string} path
 * @returns {Record<string, string>[]}
 */
function readTable(path) {
  const text = readFileSync(new URL(`../test/data/${path}`, import.meta.url), "utf8");
  const [header = "", ...lines] = text.split(/\r?\n/).filter((line) => line !== "");
  const names = fieldsOf(header);
  return lines.map((line) => {
    const fields = fieldsOf(line);
    return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""]));
  });
}

/**
 * Equal rows once, with how often they stood there in front.
 * @param {string[]} rows
 */
function counted(rows) {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const row of rows) times.set(row, (times.get(row) ?? 0) + 1);
  return [...times].map(([row, count]) => `${count} ${row}`);
}

/** @param {Record<string, string>} row */
function bitmodRow(row) {
  const accelerator = row.accelerator === "BitMoD" ? `bitmod-${row.config}` : String(row.accelerator?.toLowerCase());
  const phase = row.mode?.startsWith("disc") ? "prefill" : "decode";
  const cycles = row.published_total_cycles || row["total_cycles(sum of per-layer max(compute,dram))"];
  return [accelerator, row.model, phase, row.batch, row.ctx, cycles, row.published_total_uJ || row.total_uJ].join(" ");
}

/** @param {Record<string, string>} row */
function dimsOf(row) {
  const conv = /^H(\d+)xW(\d+) R(\d+)xS(\d+) C(\d+) F(\d+) stride(\d+)/.exec(row.conv_dims ?? "");
  return conv === null ? `gemm ${row.M} ${row.N} ${row.K} 0 0 0 0` : `conv ${conv.slice(1).join(" ")}`;
}

/** @type {Record<string, { about: string, rows: string[] }>} */
const tables = {
  BITMOD_PUBLISHED: {
    about: "Accelerator, model, phase, batch, context, cycles, microjoules: BitMoD's plot notebook.",
    rows: readTable("bitmod/published-v1.csv").map(bitmodRow),
  },
  BITMOD_REVISED: {
    about: "The same columns: runs of the revision of July 2025.",
    rows: readTable("bitmod/revised-v2.csv").map(bitmodRow),
  },
  ANT_LAYERS: {
    about:
      "Times, machine, kernel, output, channels in and out, batch, bits; cycles, of them computing; bits read, written.",
    rows: counted(
      readTable("ant/layers.csv").map((r) =>
        [
          ...[r.acc?.toLowerCase(), r.K, r.O, r.IC, r.OC, r.B, r.prec],
          ...[r.cycles, r.compute_cycles, r.dram_read_bits, r.dram_write_bits],
        ].join(" "),
      ),
    ),
  },
  ANT_TOTALS: {
    about: "Machine, network, batch, cycles, nanojoules. Machines with sizes in their names are the fork's.",
    rows: readTable("ant/totals.csv").map((r) => {
      const own = r.source_sim?.startsWith("ANT");
      const machine = own ? r.accelerator?.toLowerCase() : `${r.accelerator}-${r.array_NxM}`;
      return [machine, r.network, own ? r.batch : 1, r.total_cycles, r.total_nJ].join(" ");
    }),
  },
  BITFUSION_TOTALS: {
    about: "Machine, network, batch, cycles, of them waiting for memory.",
    rows: readTable("ant/bitfusion-published-totals.csv").map((r) =>
      [`${r.N}x${r.M}-${r.bw_bits_per_cycle}`, r.network, r.batch, r.Cycles, r.Memory_wait_cycles].join(" "),
    ),
  },
  SCALESIM_COMPUTE: {
    about: "Times, dataflow, rows, columns, M, N, K; compute cycles and mapping efficiency in percent as printed.",
    rows: counted(
      readTable("scalesim/results.csv").map((r) =>
        [r.dataflow, r.rows, r.cols, r.M, r.N, r.K, r.compute_cycles, r.mapping_eff_pct].join(" "),
      ),
    ),
  },
  SCALESIM_USER: {
    about:
      "Version, dataflow, rows, columns, KB of the three buffers, words a cycle, seven dimensions; total and stall cycles.",
    rows: [
      ...new Set(
        readTable("scalesim/results.csv")
          .filter((r) => r.bandwidth_mode === "USER")
          .map((r) =>
            [
              ...[r.version?.slice(0, 2), r.dataflow, r.rows, r.cols],
              ...[r.ifmap_sram_kB, r.filter_sram_kB, r.ofmap_sram_kB, r.bandwidth_words_per_cycle],
              ...[dimsOf(r), r.total_cycles, r.stall_cycles],
            ].join(" "),
          ),
      ),
    ],
  },
};

function tablesText() {
  const parts = Object.entries(tables).map(
    ([name, { about, rows }]) => `\n/** ${about} */\nexport const ${name} = \`\n${rows.join("\n")}\n\`;\n`,
  );
  return [
    "/** Published figures as text, one row a line. Made by scripts/embed-evidence.mjs from test/data: do not edit. */\n",
    ...parts,
  ].join("");
}

// The test compares what `--print` says with what is committed.
if (process.argv.includes("--print")) process.stdout.write(tablesText());
else writeFileSync(output, tablesText());
