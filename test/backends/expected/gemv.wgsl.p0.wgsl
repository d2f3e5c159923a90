// The f16 value nearest to x, ties to even.
fn round_to_half(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let sign = bits & 0x80000000u;
  if (size >= 0x38800000u) {
    let nearest = (size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u;
    return bitcast<f32>(sign | select(nearest, 0x7f800000u, nearest >= 0x47800000u));
  }
  let drop = min(126u - (size >> 23u), 25u);
  let digits = (size & 0x7fffffu) | 0x800000u;
  let units = digits >> drop;
  let rest = digits - (units << drop);
  let tie = 1u << (drop - 1u);
  let up = rest > tie || (rest == tie && units % 2u == 1u);
  return bitcast<f32>(sign | bitcast<u32>(f32(units + u32(up)) * 5.9604645e-8f));
}

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>, 256>;
@group(0) @binding(1) var<storage, read> w_q: array<vec4<u32>, 384>;
@group(0) @binding(2) var<storage, read> w_scale: array<u32, 3>;
@group(0) @binding(3) var<storage, read_write> y: array<f32, 6>;

// 6 × 1 × 1 workgroups of 64 invocations, 256 bytes of workgroup memory
var<workgroup> exchange_f32: array<f32, 64>;
@compute @workgroup_size(64)
fn gemv(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let group = i32(workgroup_id.x % 6u);
  let warp = i32(local_index / 64u);
  let lane = i32(local_index);
  let thread = i32(local_index);
  let row = group + warp;
  let inside = true;
  var acc = 0.0f;
  for (var step = 0; step < 64; step += 64) {
    var q = vec4<u32>(0u, 0u, 0u, 0u);
    if (inside) {
      q = w_q[row * 64 + step + lane];
    }
    let t0 = step * 16 + lane * 16;
    let x_2 = x[t0 / 4];
    acc = acc + unpack2x16float(x_2.x).x * f32(i32(q.x & 15u) - 8) + unpack2x16float(x_2.x).y * f32(i32((q.x >> 4u) & 15u) - 8);
    acc = acc + unpack2x16float(x_2.y).x * f32(i32((q.x >> 8u) & 15u) - 8) + unpack2x16float(x_2.y).y * f32(i32((q.x >> 12u) & 15u) - 8);
    acc = acc + unpack2x16float(x_2.z).x * f32(i32((q.x >> 16u) & 15u) - 8) + unpack2x16float(x_2.z).y * f32(i32((q.x >> 20u) & 15u) - 8);
    acc = acc + unpack2x16float(x_2.w).x * f32(i32((q.x >> 24u) & 15u) - 8) + unpack2x16float(x_2.w).y * f32(i32((q.x >> 28u) & 15u) - 8);
    let x_3 = x[(t0 + 4) / 4];
    acc = acc + unpack2x16float(x_3.x).x * f32(i32(q.y & 15u) - 8) + unpack2x16float(x_3.x).y * f32(i32((q.y >> 4u) & 15u) - 8);
    acc = acc + unpack2x16float(x_3.y).x * f32(i32((q.y >> 8u) & 15u) - 8) + unpack2x16float(x_3.y).y * f32(i32((q.y >> 12u) & 15u) - 8);
    acc = acc + unpack2x16float(x_3.z).x * f32(i32((q.y >> 16u) & 15u) - 8) + unpack2x16float(x_3.z).y * f32(i32((q.y >> 20u) & 15u) - 8);
    acc = acc + unpack2x16float(x_3.w).x * f32(i32((q.y >> 24u) & 15u) - 8) + unpack2x16float(x_3.w).y * f32(i32((q.y >> 28u) & 15u) - 8);
    let x_4 = x[(t0 + 8) / 4];
    acc = acc + unpack2x16float(x_4.x).x * f32(i32(q.z & 15u) - 8) + unpack2x16float(x_4.x).y * f32(i32((q.z >> 4u) & 15u) - 8);
    acc = acc + unpack2x16float(x_4.y).x * f32(i32((q.z >> 8u) & 15u) - 8) + unpack2x16float(x_4.y).y * f32(i32((q.z >> 12u) & 15u) - 8);
    acc = acc + unpack2x16float(x_4.z).x * f32(i32((q.z >> 16u) & 15u) - 8) + unpack2x16float(x_4.z).y * f32(i32((q.z >> 20u) & 15u) - 8);
    acc = acc + unpack2x16float(x_4.w).x * f32(i32((q.z >> 24u) & 15u) - 8) + unpack2x16float(x_4.w).y * f32(i32((q.z >> 28u) & 15u) - 8);
    let x_5 = x[(t0 + 12) / 4];
    acc = acc + unpack2x16float(x_5.x).x * f32(i32(q.w & 15u) - 8) + unpack2x16float(x_5.x).y * f32(i32((q.w >> 4u) & 15u) - 8);
    acc = acc + unpack2x16float(x_5.y).x * f32(i32((q.w >> 8u) & 15u) - 8) + unpack2x16float(x_5.y).y * f32(i32((q.w >> 12u) & 15u) - 8);
    acc = acc + unpack2x16float(x_5.z).x * f32(i32((q.w >> 16u) & 15u) - 8) + unpack2x16float(x_5.z).y * f32(i32((q.w >> 20u) & 15u) - 8);
    acc = acc + unpack2x16float(x_5.w).x * f32(i32((q.w >> 24u) & 15u) - 8) + unpack2x16float(x_5.w).y * f32(i32((q.w >> 28u) & 15u) - 8);
  }
  exchange_f32[thread] = acc;
  workgroupBarrier();
  if (thread < 8) {
    let part_0 = exchange_f32[thread];
    let part_1 = exchange_f32[thread + 8];
    let part_2 = exchange_f32[thread + 16];
    let part_3 = exchange_f32[thread + 24];
    let part_4 = exchange_f32[thread + 32];
    let part_5 = exchange_f32[thread + 40];
    let part_6 = exchange_f32[thread + 48];
    let part_7 = exchange_f32[thread + 56];
    exchange_f32[thread] = part_0 + part_4 + (part_2 + part_6) + (part_1 + part_5 + (part_3 + part_7));
  }
  workgroupBarrier();
  let part_8 = exchange_f32[0];
  let part_9 = exchange_f32[1];
  let part_10 = exchange_f32[2];
  let part_11 = exchange_f32[3];
  let part_12 = exchange_f32[4];
  let part_13 = exchange_f32[5];
  let part_14 = exchange_f32[6];
  let part_15 = exchange_f32[7];
  let total = part_8 + part_12 + (part_10 + part_14) + (part_9 + part_13 + (part_11 + part_15));
  var s = 0u;
  if (inside) {
    s = w_scale[row / 2];
  }
  let scale = select(unpack2x16float(s).y, unpack2x16float(s).x, row % 2 == 0);
  if (inside && lane == 0) {
    y[row] = round_to_half(total * scale);
  }
}
