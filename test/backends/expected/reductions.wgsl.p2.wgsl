enable subgroups;

var<workgroup> block_sum_f32_parts: array<f32, 16>;

fn block_sum_f32(value: f32, subgroup: u32, is_first: bool, lanes: u32) -> f32 {
  let part = subgroupAdd(value);
  workgroupBarrier();
  if (is_first) {
    block_sum_f32_parts[subgroup] = part;
  }
  workgroupBarrier();
  var total = block_sum_f32_parts[0];
  for (var i = 1u; i < (64u + lanes - 1u) / lanes; i++) {
    total += block_sum_f32_parts[i];
  }
  return total;
}

var<workgroup> block_sum_i32_parts: array<i32, 16>;

fn block_sum_i32(value: i32, subgroup: u32, is_first: bool, lanes: u32) -> i32 {
  let part = subgroupAdd(value);
  workgroupBarrier();
  if (is_first) {
    block_sum_i32_parts[subgroup] = part;
  }
  workgroupBarrier();
  var total = block_sum_i32_parts[0];
  for (var i = 1u; i < (64u + lanes - 1u) / lanes; i++) {
    total += block_sum_i32_parts[i];
  }
  return total;
}

var<workgroup> block_max_f32_parts: array<f32, 16>;

fn block_max_f32(value: f32, subgroup: u32, is_first: bool, lanes: u32) -> f32 {
  let part = subgroupMax(value);
  workgroupBarrier();
  if (is_first) {
    block_max_f32_parts[subgroup] = part;
  }
  workgroupBarrier();
  var total = block_max_f32_parts[0];
  for (var i = 1u; i < (64u + lanes - 1u) / lanes; i++) {
    total = max(total, block_max_f32_parts[i]);
  }
  return total;
}

var<workgroup> block_max_i32_parts: array<i32, 16>;

fn block_max_i32(value: i32, subgroup: u32, is_first: bool, lanes: u32) -> i32 {
  let part = subgroupMax(value);
  workgroupBarrier();
  if (is_first) {
    block_max_i32_parts[subgroup] = part;
  }
  workgroupBarrier();
  var total = block_max_i32_parts[0];
  for (var i = 1u; i < (64u + lanes - 1u) / lanes; i++) {
    total = max(total, block_max_i32_parts[i]);
  }
  return total;
}

@group(0) @binding(0) var<storage, read> x: array<u32, 192>;
@group(0) @binding(1) var<storage, read_write> mix: array<u32, 192>;
@group(0) @binding(2) var<storage, read_write> ints: array<vec4<i32>, 3>;
@group(0) @binding(3) var<storage, read_write> floats: array<vec2<f32>, 3>;

// 3 × 1 × 1 workgroups of 64 invocations, 256 bytes of workgroup memory
var<workgroup> exchange_u32: array<u32, 64>;
@compute @workgroup_size(64)
fn reductions(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32, @builtin(subgroup_size) subgroup_lanes: u32) {
  let group = i32(workgroup_id.x % 3u);
  let thread = i32(local_index);
  let t0 = group * 64 + thread;
  let v = x[t0];
  let whole = i32(v % 2001u) - 1000;
  let real = f32(whole);
  var round_2 = 0.0f;
  for (var pass_2 = 0; pass_2 < 2; pass_2++) {
    let sum = block_sum_f32(real + f32(pass_2), local_index / subgroup_lanes, local_index % subgroup_lanes == 0u, subgroup_lanes);
    round_2 += sum;
  }
  let count = block_sum_i32(whole, local_index / subgroup_lanes, local_index % subgroup_lanes == 0u, subgroup_lanes);
  let top = block_max_f32(real, local_index / subgroup_lanes, local_index % subgroup_lanes == 0u, subgroup_lanes);
  let most = block_max_i32(whole, local_index / subgroup_lanes, local_index % subgroup_lanes == 0u, subgroup_lanes);
  exchange_u32[thread] = select(0u, 1u, v % 97u == 5u);
  workgroupBarrier();
  if (thread < 8) {
    let part_1 = exchange_u32[thread];
    let part_2 = exchange_u32[thread + 8];
    let part_3 = exchange_u32[thread + 16];
    let part_4 = exchange_u32[thread + 24];
    let part_5 = exchange_u32[thread + 32];
    let part_6 = exchange_u32[thread + 40];
    let part_7 = exchange_u32[thread + 48];
    let part_8 = exchange_u32[thread + 56];
    exchange_u32[thread] = part_1 | part_5 | (part_3 | part_7) | (part_2 | part_6 | (part_4 | part_8));
  }
  workgroupBarrier();
  let part_9 = exchange_u32[0];
  let part_10 = exchange_u32[1];
  let part_11 = exchange_u32[2];
  let part_12 = exchange_u32[3];
  let part_13 = exchange_u32[4];
  let part_14 = exchange_u32[5];
  let part_15 = exchange_u32[6];
  let part_16 = exchange_u32[7];
  let part_0 = part_9 | part_13 | (part_11 | part_15) | (part_10 | part_14 | (part_12 | part_16));
  let some = part_0 != 0u;
  workgroupBarrier();
  exchange_u32[thread] = v;
  workgroupBarrier();
  let first = exchange_u32[0];
  workgroupBarrier();
  exchange_u32[thread] = v;
  workgroupBarrier();
  let other = exchange_u32[thread ^ 32];
  workgroupBarrier();
  exchange_u32[thread] = v;
  workgroupBarrier();
  let next = exchange_u32[(thread + 1) % 64];
  let chosen = thread == 0;
  let mixed = first ^ other ^ next;
  mix[t0] = mixed;
  if (chosen) {
    ints[group] = vec4<i32>(count, most, select(0, 1, some), -count);
    floats[group] = vec2<f32>(round_2, top);
  }
}
