@group(0) @binding(0) var<storage, read> work: array<u32, 128>;
@group(0) @binding(1) var<storage, read_write> y: array<u32, 128>;
@group(0) @binding(2) var<storage, read_write> sum: array<atomic<u32>, 1>;

// 2 × 1 × 1 workgroups of 64 invocations
@compute @workgroup_size(64)
fn add_one(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let thread = i32(local_index);
  let group = i32(workgroup_id.x % 2u);
  let t0 = thread + group * 64;
  let r0 = work[t0];
  let t1 = r0 + 1u;
  y[t0] = t1;
  atomicAdd(&sum[0], t1);
}
