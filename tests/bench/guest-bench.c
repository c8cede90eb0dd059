/* guest-bench.c -- the compute guest: runs on Linux i386 (in the machine, or natively), prints one line a workload: name, runs, ns a run. */
/* SPDX-License-Identifier: MIT */
/* Built with -m32 -nostdlib -static: needs no C library, so that any host's gcc can make it. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* --- system calls ----------------------------------------------------------------- */

static int
sys3 (int n, int a, int b, int c)
{
  int r;
  __asm__ volatile ("int $0x80" : "=a" (r) : "a" (n), "b" (a), "c" (b), "d" (c) : "memory");
  return r;
}
enum { SYS_EXIT = 1, SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_CLOSE = 6, SYS_WAITPID = 7, SYS_GETPPID = 64, SYS_PIPE = 42, SYS_MMAP = 90,
       SYS_MUNMAP = 91, SYS_CLOCK_GETTIME = 265 };

static u64
now_ns (void)
{
  struct { u32 s, ns; } t;
  sys3 (SYS_CLOCK_GETTIME, 1, (int) &t, 0);
  return t.s * 1000000000ull + t.ns;
}

static void
put (const char *s)
{
  int n = 0;
  while (s[n])
    n++;
  sys3 (SYS_WRITE, 1, (int) s, n);
}

/* no libgcc: 64-bit division by shifting */
static u64
div64 (u64 n, u32 d)
{
  u64 q = 0, r = 0;
  for (int i = 63; i >= 0; i--) {
    r = r << 1 | ((n >> i) & 1);
    if (r >= d) {
      r -= d;
      q |= 1ull << i;
    }
  }
  return q;
}

static void
put_number (u64 n)
{
  char b[24];
  int i = 23;
  b[i] = 0;
  do {
    u64 q = div64 (n, 10);
    b[--i] = (char) ('0' + (u32) (n - q * 10));
    n = q;
  } while (n);
  put (b + i);
}

void *memcpy (void *d, const void *s, u32 n);
void *memset (void *d, int c, u32 n);
void *
memcpy (void *d, const void *s, u32 n)
{
  void *r = d;
  __asm__ volatile ("rep movsb" : "+D" (d), "+S" (s), "+c" (n) : : "memory");
  return r;
}
void *
memset (void *d, int c, u32 n)
{
  void *r = d;
  __asm__ volatile ("rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory");
  return r;
}

static volatile u32 sink;
static u8 buffer_a[1 << 20] __attribute__ ((aligned (64))), buffer_b[1 << 20] __attribute__ ((aligned (64)));

/* --- integer: list, matrix, state machine, checksum: the mix of CoreMark --------------- */

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

static void
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

/* --- the others ---------------------------------------------------------------------------- */

static void __attribute__ ((target ("fpmath=387"), noinline))
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
static void __attribute__ ((target ("sse2,fpmath=sse"), noinline))
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
static void __attribute__ ((target ("sse2"), noinline))
work_sse_vector (void)
{
  v4 *a = (v4 *) buffer_a, *b = (v4 *) buffer_b, k = { 1.5f, 0.25f, 2.0f, 0.5f };
  for (int r = 0; r < 8; r++)
    for (int i = 0; i < 1024; i++)
      a[i] = b[i] * k + a[i];
}

static void
work_rep_movs (void)
{
  for (int i = 0; i < 16; i++)
    memcpy (buffer_a, buffer_b, sizeof buffer_a);
}

static int fib (int n);
static int __attribute__ ((noinline)) fib (int n) { return n < 2 ? n : fib (n - 1) + fib (n - 2); }
static void work_calls (void) { sink += (u32) fib (22); }

static void
work_chase (void)
{
  static u32 next[1024];
  for (u32 i = 0; i < 1024; i++)
    next[i] = (i * 521 + 7) & 1023;
  u32 p = 0;
  for (int i = 0; i < 100000; i++)
    p = next[p];
  sink += p;
}

static void work_syscall (void) { for (int i = 0; i < 2000; i++) sys3 (SYS_GETPPID, 0, 0, 0); }

static void
work_fork (void)
{
  for (int i = 0; i < 8; i++) {
    int pid = sys3 (SYS_FORK, 0, 0, 0), status;
    if (pid == 0)
      sys3 (SYS_EXIT, 0, 0, 0);
    sys3 (SYS_WAITPID, pid, (int) &status, 0);
  }
}

static void
work_pipe (void)
{
  int to[2], from[2], status;
  char c = 0;
  sys3 (SYS_PIPE, (int) to, 0, 0);
  sys3 (SYS_PIPE, (int) from, 0, 0);
  int pid = sys3 (SYS_FORK, 0, 0, 0);
  if (pid == 0) {
    for (int i = 0; i < 400; i++) {
      sys3 (SYS_READ, to[0], (int) &c, 1);
      sys3 (SYS_WRITE, from[1], (int) &c, 1);
    }
    sys3 (SYS_EXIT, 0, 0, 0);
  }
  for (int i = 0; i < 400; i++) {
    sys3 (SYS_WRITE, to[1], (int) &c, 1);
    sys3 (SYS_READ, from[0], (int) &c, 1);
  }
  sys3 (SYS_WAITPID, pid, (int) &status, 0);
  for (int i = 0; i < 2; i++) {
    sys3 (SYS_CLOSE, to[i], 0, 0);
    sys3 (SYS_CLOSE, from[i], 0, 0);
  }
}

static const struct { const char *name; void (*run) (void); } works[] = {
  { "integer", work_integer }, { "x87", work_x87 }, { "sse2", work_sse2 }, { "sse-vector", work_sse_vector }, { "rep-movs", work_rep_movs },
  { "calls", work_calls }, { "chase", work_chase }, { "syscall", work_syscall }, { "fork", work_fork }, { "pipe", work_pipe },
};

#define SPAN_NS 700000000ull

static int
same (const char *a, const char *b)
{
  while (*a && *a == *b)
    a++, b++;
  return *a == *b;
}

/* only: the workload to run, all when there is none */
static void
main_ (const char *only)
{
  for (u32 w = 0; w < sizeof works / sizeof works[0]; w++) {
    u64 start, t = 0;
    u32 runs = 0;
    if (only && !same (only, works[w].name))
      continue;
    works[w].run ();
    start = now_ns ();
    while (t < SPAN_NS) {
      works[w].run ();
      runs++;
      t = now_ns () - start;
    }
    put ("bench ");
    put (works[w].name);
    put (" ");
    put_number (runs);
    put (" ");
    put_number (div64 (t, runs));
    put ("\n");
  }
  sys3 (SYS_EXIT, 0, 0, 0);
}

__asm__ (".globl _start\n_start: xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start_c\n");
void start_c (const char **stack);
void start_c (const char **stack) { main_ (*(const int *) stack > 1 ? stack[2] : 0); }
