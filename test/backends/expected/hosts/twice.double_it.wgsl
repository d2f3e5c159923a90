@group(0) @binding(0) var<storage, read> x_values: array<u32, 128>;
@group(0) @binding(1) var<storage, read_write> work: array<u32, 128>;

// 2 × 1 × 1 workgroups of 64 invocations
@compute @workgroup_size(64)
fn double_it(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let thread = i32(local_index);
  let group = i32(workgroup_id.x % 2u);
  let t0 = thread + group * 64;
  let r0 = x_values[t0];
  work[t0] = r0 * 2u;
}
