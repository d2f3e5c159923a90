/** A file that uses every construct of the language, for tests that take text apart. */
export const SAMPLE = `// A header that belongs to the file.

codebook fp3 = [0, 1, 2, 4, _, -1, -2, -4]
codebook long = [0.5, 1e-3, -2.25, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16.125, 17, 18, 19, 20, 21, 22, 23]  // wide

// Two scales, and a table chosen by data.
format bitmod3 {
  block 128  // values
  scale: u8
  row: f16
  special: u2

  // The codes.
  q: u3[128]
  value(i) = row * scale * (q[i] == 4 ? [3, -3, 6, -6][special] : fp3[q[i]])
}

fn half(x) = x / 2.0

fn minifloat(c, E, M) = {
  let e = c >> M & (1 << E) - 1
  // Without the hidden one.
  let m = c & (1 << M) - 1  // fraction

  e == 0 ? m * exp2(1 - M) : (m | 1 << M) * exp2(e - M)
}

format tiny<E, M> {
  q: u<(E + M)>
  value = minifloat(q, E, M)
}

format tiny21 = tiny<2, 1>
format tiny12 = tiny<1, 2>

format grid<B, G> {
  block G
  row lut: f16[1 << B]
  scale: tiny21
  q: u<B>[G] @ i < G / 2 ? 8 + 2 * B * i : 8 + 2 * B * (i - G / 2) + B
  value(i) = {
    let code = q[i]
    half(scale) * lut[code] + as_bf16(code) + as_f16(code) + as_f32(code) + sum j < (B - 1) { lut[j] * j }
  }
}

format planes {
  block 64
  row scale: f32
  q: i4[64] @ i + 64 * bit
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format odd {
  block 32
  tensor lift: f32
  d: f16
  q: u4[32] @ 16 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = max(d * ((q[i] ^ 3 | 1 & 7) - (8 >> 1 << 1)) / 2.0, -abs(lift), sqrt(lift))
}

op linear<M, N, K>(x: f16[M, K], w: bitmod3[N, K], bias: f32[N]) -> f16[M, N] {
  let xq = quantize(x, planes)
  let t[m, n] = sum k { xq[m, k] * w[n, k] }
  // Clamped from below.
  y[m, n] = select((t[m, n] > 0) & (bias[n] != 1), t[m, n] + bias[n], exp2(-t[m, n]) - - 1)
}

op pick(x: f32[4, 8]) -> f32[4] {
  y[m] = sum k, j { x[m, k] * x[m, j] } + x[m, 7] - x[0, 0] * (x[m, 1] <= 2 ? 1 : x[m, 2] >= 3 ? 2 : 3)
}

op columns<N, K>(x: f16[K], w: grid<3, 64>[N, K] along N) -> f16[N] {
  y[n] = half(sum k { x[k] * w[n, k] })
}

schedule linear for cuda.sm90 {
  contract k with bitplanes
  tile m 128, n 128, k 1024
  stages 4
  row "mma.m16n8k256.b1"
}

schedule pick for metal.3 { stages 2 }
// The end.
`;
