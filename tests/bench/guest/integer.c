/* integer.c -- list, matrix, state machine, checksum (the mix of CoreMark); SHA-256; quicksort with callbacks. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

typedef struct Node { struct Node *next; short key, value; } Node;
static Node nodes[256];
static short ma[20 * 20], mb[20 * 20];
static int mc[20 * 20];

static u16
crc16 (u16 crc, u32 v)
{
  for (int i = 0; i < 16; i++) {
    u32 bit = (v ^ crc) & 1;
    crc >>= 1;
    v >>= 1;
    if (bit)
      crc ^= 0xa001;
  }
  return crc;
}

static Node *
list_sort (Node *list)
{
  for (int k = 1;; k *= 2) {
    Node *p = list, *tail = 0;
    int merges = 0;
    list = 0;
    while (p) {
      Node *q = p;
      int np = 0, nq = k;
      merges++;
      for (int i = 0; i < k && q; i++) {
        np++;
        q = q->next;
      }
      while (np > 0 || (nq > 0 && q)) {
        Node *e;
        if (np == 0 || (nq > 0 && q && q->key < p->key))
          e = q, q = q->next, nq--;
        else
          e = p, p = p->next, np--;
        if (tail)
          tail->next = e;
        else
          list = e;
        tail = e;
      }
      p = q;
    }
    tail->next = 0;
    if (merges <= 1)
      return list;
  }
}

static u16
matrix (u16 crc)
{
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 20; j++) {
      int s = 0;
      for (int k = 0; k < 20; k++)
        s += ma[i * 20 + k] * mb[k * 20 + j];
      mc[i * 20 + j] = s;
      crc = crc16 (crc, (u32) s);
    }
  return crc;
}

static u32
state_machine (const u8 *p, u32 n)
{
  u32 state = 0, count = 0;
  for (u32 i = 0; i < n; i++) {
    u8 c = p[i];
    switch (state) {
    case 0: state = c >= '0' && c <= '9' ? 1 : c == '+' || c == '-' ? 2 : c == '.' ? 3 : 0; break;
    case 1: state = c == '.' ? 3 : c == 'e' ? 4 : c >= '0' && c <= '9' ? 1 : 0; break;
    case 2: state = c >= '0' && c <= '9' ? 1 : 0; break;
    case 3: state = c == 'e' ? 4 : c >= '0' && c <= '9' ? 3 : 0; break;
    default: state = c >= '0' && c <= '9' ? 1 : 0;
    }
    count += state;
  }
  return count;
}

void
work_integer (void)
{
  u16 crc = 0;
  for (int i = 0; i < 256; i++) {
    nodes[i].key = (short) ((i * 7919) & 0x7fff);
    nodes[i].value = (short) i;
    nodes[i].next = i < 255 ? &nodes[i + 1] : 0;
  }
  Node *l = list_sort (nodes);
  for (Node *p = l; p; p = p->next)
    crc = crc16 (crc, (u32) p->value);
  for (int i = 0; i < 400; i++)
    ma[i] = (short) (i * 3 + crc), mb[i] = (short) (i ^ crc);
  crc = matrix (crc);
  for (int i = 0; i < 400; i++)
    buffer_a[i] = (u8) ("012+.-e5,9"[(i * 7 + crc) % 10]);
  sink += crc16 (crc, state_machine (buffer_a, 400));
}

/* --- SHA-256 --------------------------------------------------------------------------------- */

static u32 turn (u32 x, int n) { return x >> n | x << (32 - n); }

/* One block; the constants are not SHA's, which changes nothing about the work. */
static void
sha_block (u32 *state, const u32 *block)
{
  u32 w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = block[i];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + (turn (w[i - 15], 7) ^ turn (w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] + (turn (w[i - 2], 17) ^ turn (w[i - 2], 19) ^ w[i - 2] >> 10);
  for (int i = 0; i < 8; i++)
    v[i] = state[i];
  for (u32 i = 0; i < 64; i++) {
    u32 a = v[7] + (turn (v[4], 6) ^ turn (v[4], 11) ^ turn (v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + (i * 0x428a2f98u ^ 0x71374491u) + w[i];
    u32 b = (turn (v[0], 2) ^ turn (v[0], 13) ^ turn (v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    for (int k = 7; k > 0; k--)
      v[k] = v[k - 1];
    v[4] += a;
    v[0] = a + b;
  }
  for (int i = 0; i < 8; i++)
    state[i] += v[i];
}

void
work_sha256 (void)
{
  u32 state[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
  for (int i = 0; i < 64; i++)
    sha_block (state, (const u32 *) (const void *) (buffer_b + i * 64));
  sink += state[0];
}

/* --- quicksort, as qsort() has it: the order is somebody else's function ------------------------ */

typedef int Order (u32 a, u32 b);
static int rising (u32 a, u32 b) { return a < b; }
static int falling (u32 a, u32 b) { return a > b; }

static void __attribute__ ((noinline))
quicksort (u32 *v, int n, Order *before)
{
  while (n > 1) {
    u32 pivot = v[n / 2];
    int i = 0, j = n - 1;
    while (i <= j) {
      while (before (v[i], pivot))
        i++;
      while (before (pivot, v[j]))
        j--;
      if (i <= j) {
        u32 t = v[i];
        v[i++] = v[j];
        v[j--] = t;
      }
    }
    quicksort (v, j + 1, before);
    v += i;
    n -= i;
  }
}

void
work_sort (void)
{
  static Order *volatile const orders[] = { rising, falling };
  static u32 v[2000];
  u32 x = 12345;
  for (int i = 0; i < 2000; i++)
    v[i] = x = x * 1664525 + 1013904223;
  for (int k = 0; k < 2; k++)
    quicksort (v, 2000, orders[k]);
  sink += v[0];
}
