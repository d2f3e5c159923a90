// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
fn round_quotient(a: f32, b: f32) -> f32 {
  let a_bits = bitcast<u32>(abs(a));
  let b_bits = bitcast<u32>(b);
  let exponent = i32(a_bits >> 23u) - i32(b_bits >> 23u);
  if (exponent < -1) {
    return 0.0f;
  }
  let numerator = (((a_bits & 0x7fffffu) | 0x800000u) >> 6u) << min(u32(exponent + 1), 31u);
  let divisor = (((b_bits & 0x7fffffu) | 0x800000u) >> 6u) * 2u;
  // Wrong by one at most, even if the division is off by some ulp.
  var whole = u32(floor(abs(a) / b));
  var rest = i32(numerator - whole * divisor);
  if (rest < 0) {
    whole -= 1u;
    rest += i32(divisor);
  } else if (rest >= i32(divisor)) {
    whole += 1u;
    rest -= i32(divisor);
  }
  let twice = 2u * u32(rest);
  let up = twice > divisor || (twice == divisor && whole % 2u == 1u);
  let size = f32(whole + u32(up));
  return select(size, -size, a < 0.0f);
}

@group(0) @binding(0) var<storage, read> x: array<u32, 80>;
@group(0) @binding(1) var<storage, read_write> codes: array<vec4<u32>, 10>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32, 5>;

// 5 × 1 × 1 workgroups of 32 invocations, 256 bytes of workgroup memory
var<workgroup> exchange_f32: array<f32, 32>;
var<workgroup> exchange_u32: array<u32, 32>;
@compute @workgroup_size(32)
fn quantize(@builtin(workgroup_id) workgroup_id: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let group = i32(workgroup_id.x % 5u);
  let lane = i32(local_index);
  let thread = i32(local_index);
  let pair = x[group * 16 + lane / 2];
  let x_2 = select(unpack2x16float(pair).y, unpack2x16float(pair).x, lane % 2 == 0);
  exchange_f32[thread] = abs(x_2);
  workgroupBarrier();
  let t1 = thread + 4;
  let t2 = thread + 8;
  let t3 = thread + 12;
  let t4 = thread + 16;
  let t5 = thread + 20;
  let t6 = thread + 24;
  let t7 = thread + 28;
  let t8 = thread < 4;
  if (t8) {
    let part_0 = exchange_f32[thread];
    let part_1 = exchange_f32[t1];
    let part_2 = exchange_f32[t2];
    let part_3 = exchange_f32[t3];
    let part_4 = exchange_f32[t4];
    let part_5 = exchange_f32[t5];
    let part_6 = exchange_f32[t6];
    let part_7 = exchange_f32[t7];
    exchange_f32[thread] = max(max(max(part_0, part_4), max(part_2, part_6)), max(max(part_1, part_5), max(part_3, part_7)));
  }
  workgroupBarrier();
  let part_8 = exchange_f32[0];
  let part_9 = exchange_f32[1];
  let part_10 = exchange_f32[2];
  let part_11 = exchange_f32[3];
  let top = max(max(part_8, part_10), max(part_9, part_11));
  let m = select(top, 1.0f, top == 0.0f);
  let code = bitcast<u32>(i32(round_quotient(x_2 * 127.0f, m)));
  let t9 = 1u << u32(thread);
  exchange_u32[thread] = select(0u, t9, (code & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_12 = exchange_u32[thread];
    let part_13 = exchange_u32[t1];
    let part_14 = exchange_u32[t2];
    let part_15 = exchange_u32[t3];
    let part_16 = exchange_u32[t4];
    let part_17 = exchange_u32[t5];
    let part_18 = exchange_u32[t6];
    let part_19 = exchange_u32[t7];
    exchange_u32[thread] = part_12 | part_16 | (part_14 | part_18) | (part_13 | part_17 | (part_15 | part_19));
  }
  workgroupBarrier();
  let part_20 = exchange_u32[0];
  let part_21 = exchange_u32[1];
  let part_22 = exchange_u32[2];
  let part_23 = exchange_u32[3];
  let plane0 = part_20 | part_22 | (part_21 | part_23);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 1u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_24 = exchange_u32[thread];
    let part_25 = exchange_u32[t1];
    let part_26 = exchange_u32[t2];
    let part_27 = exchange_u32[t3];
    let part_28 = exchange_u32[t4];
    let part_29 = exchange_u32[t5];
    let part_30 = exchange_u32[t6];
    let part_31 = exchange_u32[t7];
    exchange_u32[thread] = part_24 | part_28 | (part_26 | part_30) | (part_25 | part_29 | (part_27 | part_31));
  }
  workgroupBarrier();
  let part_32 = exchange_u32[0];
  let part_33 = exchange_u32[1];
  let part_34 = exchange_u32[2];
  let part_35 = exchange_u32[3];
  let plane1 = part_32 | part_34 | (part_33 | part_35);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 2u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_36 = exchange_u32[thread];
    let part_37 = exchange_u32[t1];
    let part_38 = exchange_u32[t2];
    let part_39 = exchange_u32[t3];
    let part_40 = exchange_u32[t4];
    let part_41 = exchange_u32[t5];
    let part_42 = exchange_u32[t6];
    let part_43 = exchange_u32[t7];
    exchange_u32[thread] = part_36 | part_40 | (part_38 | part_42) | (part_37 | part_41 | (part_39 | part_43));
  }
  workgroupBarrier();
  let part_44 = exchange_u32[0];
  let part_45 = exchange_u32[1];
  let part_46 = exchange_u32[2];
  let part_47 = exchange_u32[3];
  let plane2 = part_44 | part_46 | (part_45 | part_47);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 3u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_48 = exchange_u32[thread];
    let part_49 = exchange_u32[t1];
    let part_50 = exchange_u32[t2];
    let part_51 = exchange_u32[t3];
    let part_52 = exchange_u32[t4];
    let part_53 = exchange_u32[t5];
    let part_54 = exchange_u32[t6];
    let part_55 = exchange_u32[t7];
    exchange_u32[thread] = part_48 | part_52 | (part_50 | part_54) | (part_49 | part_53 | (part_51 | part_55));
  }
  workgroupBarrier();
  let part_56 = exchange_u32[0];
  let part_57 = exchange_u32[1];
  let part_58 = exchange_u32[2];
  let part_59 = exchange_u32[3];
  let plane3 = part_56 | part_58 | (part_57 | part_59);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 4u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_60 = exchange_u32[thread];
    let part_61 = exchange_u32[t1];
    let part_62 = exchange_u32[t2];
    let part_63 = exchange_u32[t3];
    let part_64 = exchange_u32[t4];
    let part_65 = exchange_u32[t5];
    let part_66 = exchange_u32[t6];
    let part_67 = exchange_u32[t7];
    exchange_u32[thread] = part_60 | part_64 | (part_62 | part_66) | (part_61 | part_65 | (part_63 | part_67));
  }
  workgroupBarrier();
  let part_68 = exchange_u32[0];
  let part_69 = exchange_u32[1];
  let part_70 = exchange_u32[2];
  let part_71 = exchange_u32[3];
  let plane4 = part_68 | part_70 | (part_69 | part_71);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 5u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_72 = exchange_u32[thread];
    let part_73 = exchange_u32[t1];
    let part_74 = exchange_u32[t2];
    let part_75 = exchange_u32[t3];
    let part_76 = exchange_u32[t4];
    let part_77 = exchange_u32[t5];
    let part_78 = exchange_u32[t6];
    let part_79 = exchange_u32[t7];
    exchange_u32[thread] = part_72 | part_76 | (part_74 | part_78) | (part_73 | part_77 | (part_75 | part_79));
  }
  workgroupBarrier();
  let part_80 = exchange_u32[0];
  let part_81 = exchange_u32[1];
  let part_82 = exchange_u32[2];
  let part_83 = exchange_u32[3];
  let plane5 = part_80 | part_82 | (part_81 | part_83);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 6u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_84 = exchange_u32[thread];
    let part_85 = exchange_u32[t1];
    let part_86 = exchange_u32[t2];
    let part_87 = exchange_u32[t3];
    let part_88 = exchange_u32[t4];
    let part_89 = exchange_u32[t5];
    let part_90 = exchange_u32[t6];
    let part_91 = exchange_u32[t7];
    exchange_u32[thread] = part_84 | part_88 | (part_86 | part_90) | (part_85 | part_89 | (part_87 | part_91));
  }
  workgroupBarrier();
  let part_92 = exchange_u32[0];
  let part_93 = exchange_u32[1];
  let part_94 = exchange_u32[2];
  let part_95 = exchange_u32[3];
  let plane6 = part_92 | part_94 | (part_93 | part_95);
  workgroupBarrier();
  exchange_u32[thread] = select(0u, t9, ((code >> 7u) & 1u) != 0u);
  workgroupBarrier();
  if (t8) {
    let part_96 = exchange_u32[thread];
    let part_97 = exchange_u32[t1];
    let part_98 = exchange_u32[t2];
    let part_99 = exchange_u32[t3];
    let part_100 = exchange_u32[t4];
    let part_101 = exchange_u32[t5];
    let part_102 = exchange_u32[t6];
    let part_103 = exchange_u32[t7];
    exchange_u32[thread] = part_96 | part_100 | (part_98 | part_102) | (part_97 | part_101 | (part_99 | part_103));
  }
  workgroupBarrier();
  let part_104 = exchange_u32[0];
  let part_105 = exchange_u32[1];
  let part_106 = exchange_u32[2];
  let part_107 = exchange_u32[3];
  let plane7 = part_104 | part_106 | (part_105 | part_107);
  if (lane == 0) {
    let t0 = group * 8;
    codes[t0 / 4] = vec4<u32>(plane0, plane1, plane2, plane3);
    codes[(t0 + 4) / 4] = vec4<u32>(plane4, plane5, plane6, plane7);
    scale[group] = m / 127.0f;
  }
}
