const nf4 = array<f32, 16>(
  -1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f, 0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f);

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

@group(0) @binding(0) var<storage, read> x: array<u32, 64>;
@group(0) @binding(1) var<storage, read_write> picked: array<f32, 64>;
@group(0) @binding(2) var<storage, read_write> shifted: array<u32, 64>;
@group(0) @binding(3) var<storage, read_write> dots: array<i32, 64>;
@group(0) @binding(4) var<storage, read_write> mixed: array<f32, 64>;
@group(0) @binding(5) var<storage, read_write> halved: array<f32, 64>;
@group(0) @binding(6) var<storage, read_write> total: array<atomic<u32>, 1>;

// 1 × 1 × 1 workgroups of 64 invocations
@compute @workgroup_size(64)
fn scalars(@builtin(local_invocation_index) local_index: u32) {
  let thread = i32(local_index);
  let v = x[thread];
  picked[thread] = nf4[(v >> 4u) % 16u];
  let t0 = i32(v);
  let t1 = u32(thread) & 63u;
  shifted[thread] = ~((v << t1) + u32(t0 >> u32(i32(t1))));
  let t2 = v ^ 0x80ff017fu;
  dots[thread] = 5 - i32(countOneBits(v)) + (i32(v << 24u) >> 24u) * (i32(t2 << 24u) >> 24u) + (i32(v << 16u) >> 24u) * (i32(t2 << 16u) >> 24u) + (i32(v << 8u) >> 24u) * (i32(t2 << 8u) >> 24u) + (t0 >> 24u) * (i32(t2) >> 24u);
  let t3 = f32(t0 % 1000 - 3);
  mixed[thread] = select(sqrt(abs(t3)), fma(floor(t3 / 4.0f), round(t3 * 0.5f), min(max(-t3, -7.5f), ceil(t3 * 0.25f) - (t3 - -1.0f))), (t3 < 0.0f && !(t3 > -300.0f)) || v % 3u == 0u);
  halved[thread] = round_to_half(bitcast<f32>(v & 0x8fffffffu) * exp2(f32((t0 & 0) + 100)));
  atomicAdd(&total[0], v & 255u);
}
