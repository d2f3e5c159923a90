@group(0) @binding(0) var<storage, read> x: array<u32, 192>;
@group(0) @binding(1) var<storage, read_write> mix: array<u32, 192>;
@group(0) @binding(2) var<storage, read_write> ints: array<vec4<i32>, 3>;
@group(0) @binding(3) var<storage, read_write> floats: array<vec2<f32>, 3>;

// 3 × 1 × 1 workgroups of 64 invocations, 768 bytes of workgroup memory
var<workgroup> exchange_f32: array<f32, 64>;
var<workgroup> exchange_i32: array<i32, 64>;
var<workgroup> exchange_u32: array<u32, 64>;
@compute @workgroup_size(64)
fn reductions(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let group = i32(workgroup_id.x % 3u);
  let thread = i32(local_index);
  let t0 = group * 64 + thread;
  let v = x[t0];
  let whole = i32(v % 2001u) - 1000;
  let real = f32(whole);
  var round_2 = 0.0f;
  let t1 = thread + 8;
  let t2 = thread + 16;
  let t3 = thread + 24;
  let t4 = thread + 32;
  let t5 = thread + 40;
  let t6 = thread + 48;
  let t7 = thread + 56;
  let t8 = thread < 8;
  for (var pass_2 = 0; pass_2 < 2; pass_2++) {
    workgroupBarrier();
    exchange_f32[thread] = real + f32(pass_2);
    workgroupBarrier();
    if (t8) {
      let part_0 = exchange_f32[thread];
      let part_1 = exchange_f32[t1];
      let part_2 = exchange_f32[t2];
      let part_3 = exchange_f32[t3];
      let part_4 = exchange_f32[t4];
      let part_5 = exchange_f32[t5];
      let part_6 = exchange_f32[t6];
      let part_7 = exchange_f32[t7];
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
    let sum = part_8 + part_12 + (part_10 + part_14) + (part_9 + part_13 + (part_11 + part_15));
    round_2 += sum;
  }
  exchange_i32[thread] = whole;
  workgroupBarrier();
  if (t8) {
    let part_16 = exchange_i32[thread];
    let part_17 = exchange_i32[t1];
    let part_18 = exchange_i32[t2];
    let part_19 = exchange_i32[t3];
    let part_20 = exchange_i32[t4];
    let part_21 = exchange_i32[t5];
    let part_22 = exchange_i32[t6];
    let part_23 = exchange_i32[t7];
    exchange_i32[thread] = part_16 + part_20 + part_18 + part_22 + part_17 + part_21 + part_19 + part_23;
  }
  workgroupBarrier();
  let part_24 = exchange_i32[0];
  let part_25 = exchange_i32[1];
  let part_26 = exchange_i32[2];
  let part_27 = exchange_i32[3];
  let part_28 = exchange_i32[4];
  let part_29 = exchange_i32[5];
  let part_30 = exchange_i32[6];
  let part_31 = exchange_i32[7];
  let count = part_24 + part_28 + part_26 + part_30 + part_25 + part_29 + part_27 + part_31;
  workgroupBarrier();
  exchange_f32[thread] = real;
  workgroupBarrier();
  if (t8) {
    let part_32 = exchange_f32[thread];
    let part_33 = exchange_f32[t1];
    let part_34 = exchange_f32[t2];
    let part_35 = exchange_f32[t3];
    let part_36 = exchange_f32[t4];
    let part_37 = exchange_f32[t5];
    let part_38 = exchange_f32[t6];
    let part_39 = exchange_f32[t7];
    exchange_f32[thread] = max(max(max(part_32, part_36), max(part_34, part_38)), max(max(part_33, part_37), max(part_35, part_39)));
  }
  workgroupBarrier();
  let part_40 = exchange_f32[0];
  let part_41 = exchange_f32[1];
  let part_42 = exchange_f32[2];
  let part_43 = exchange_f32[3];
  let part_44 = exchange_f32[4];
  let part_45 = exchange_f32[5];
  let part_46 = exchange_f32[6];
  let part_47 = exchange_f32[7];
  let top = max(max(max(part_40, part_44), max(part_42, part_46)), max(max(part_41, part_45), max(part_43, part_47)));
  workgroupBarrier();
  exchange_i32[thread] = whole;
  workgroupBarrier();
  if (t8) {
    let part_48 = exchange_i32[thread];
    let part_49 = exchange_i32[t1];
    let part_50 = exchange_i32[t2];
    let part_51 = exchange_i32[t3];
    let part_52 = exchange_i32[t4];
    let part_53 = exchange_i32[t5];
    let part_54 = exchange_i32[t6];
    let part_55 = exchange_i32[t7];
    exchange_i32[thread] = max(max(max(part_48, part_52), max(part_50, part_54)), max(max(part_49, part_53), max(part_51, part_55)));
  }
  workgroupBarrier();
  let part_56 = exchange_i32[0];
  let part_57 = exchange_i32[1];
  let part_58 = exchange_i32[2];
  let part_59 = exchange_i32[3];
  let part_60 = exchange_i32[4];
  let part_61 = exchange_i32[5];
  let part_62 = exchange_i32[6];
  let part_63 = exchange_i32[7];
  let most = max(max(max(part_56, part_60), max(part_58, part_62)), max(max(part_57, part_61), max(part_59, part_63)));
  exchange_u32[thread] = select(0u, 1u, v % 97u == 5u);
  workgroupBarrier();
  if (t8) {
    let part_65 = exchange_u32[thread];
    let part_66 = exchange_u32[t1];
    let part_67 = exchange_u32[t2];
    let part_68 = exchange_u32[t3];
    let part_69 = exchange_u32[t4];
    let part_70 = exchange_u32[t5];
    let part_71 = exchange_u32[t6];
    let part_72 = exchange_u32[t7];
    exchange_u32[thread] = part_65 | part_69 | (part_67 | part_71) | (part_66 | part_70 | (part_68 | part_72));
  }
  workgroupBarrier();
  let part_73 = exchange_u32[0];
  let part_74 = exchange_u32[1];
  let part_75 = exchange_u32[2];
  let part_76 = exchange_u32[3];
  let part_77 = exchange_u32[4];
  let part_78 = exchange_u32[5];
  let part_79 = exchange_u32[6];
  let part_80 = exchange_u32[7];
  let part_64 = part_73 | part_77 | (part_75 | part_79) | (part_74 | part_78 | (part_76 | part_80));
  let some = part_64 != 0u;
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
