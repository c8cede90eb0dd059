/* float.c -- floating point: x87, scalar and vector SSE. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

void __attribute__ ((target ("fpmath=387"), noinline))
work_x87 (void)
{
  double x = 1.0, y = 0.5, s = 0;
  for (int i = 0; i < 20000; i++) {
    double t = x * y + 0.25;
    x = y - t / (x * x + 1.5);
    y = t - x * 0.125;
    s += x * y;
  }
  sink += (u32) (int) s;
}

/* x87 loads and stores keep doubles; SSE2 as GCC emits it for -mfpmath=sse. */
void __attribute__ ((target ("sse2,fpmath=sse"), noinline))
work_sse2 (void)
{
  double s = 0;
  for (int py = 0; py < 24; py++)
    for (int px = 0; px < 32; px++) {
      double cr = px * 0.09375 - 2.0, ci = py * 0.0833 - 1.0, zr = 0, zi = 0;
      int n = 0;
      while (n < 60 && zr * zr + zi * zi < 4.0) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        n++;
      }
      s += n;
    }
  sink += (u32) (int) s;
}

typedef float v4 __attribute__ ((vector_size (16)));
void __attribute__ ((target ("sse2"), noinline))
work_sse_vector (void)
{
  v4 *a = (v4 *) buffer_a, *b = (v4 *) buffer_b, k = { 1.5f, 0.25f, 2.0f, 0.5f };
  for (int r = 0; r < 8; r++)
    for (int i = 0; i < 1024; i++)
      a[i] = b[i] * k + a[i];
}

/* Five bodies that attract each other, as in the Benchmarks Game; one square root a pair. */
void __attribute__ ((target ("sse2,fpmath=sse"), noinline))
work_n_body (void)
{
  enum { N = 5, STEPS = 200 };
  double at[N][3], speed[N][3];
  for (int i = 0; i < N; i++)
    for (int k = 0; k < 3; k++)
      at[i][k] = i * 1.5 + k * 0.25 * i, speed[i][k] = 0.125 * (i - k);
  for (int step = 0; step < STEPS; step++)
    for (int i = 0; i < N; i++) {
      for (int j = i + 1; j < N; j++) {
        double d[3], square = 0.01, root;
        for (int k = 0; k < 3; k++)
          d[k] = at[i][k] - at[j][k], square += d[k] * d[k];
        __asm__ ("sqrtsd %1, %0" : "=x" (root) : "x" (square));
        double pull = 0.001 / (square * root);
        for (int k = 0; k < 3; k++)
          speed[i][k] -= d[k] * pull, speed[j][k] += d[k] * pull;
      }
      for (int k = 0; k < 3; k++)
        at[i][k] += 0.001 * speed[i][k];
    }
  sink += (u32) (int) (at[0][0] * 1000);
}
