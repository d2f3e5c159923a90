/** Bitloom as a library: what runs in Node and in a browser alike. */
export * from "./ir/diagnostics.ts";
export type { Expr, ExprId, Exprs, Table } from "./ir/expr.ts";
export type { Format } from "./ir/format.ts";
export type { Kernel } from "./ir/kernel.ts";
export type { Layout } from "./ir/layout.ts";
export type { Program } from "./ir/program.ts";
export type { Target } from "./ir/target.ts";
