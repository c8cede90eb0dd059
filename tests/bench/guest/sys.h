/* sys.h -- what the bench guest needs of Linux, without a C library: system calls of i386 and x86-64, text, time. */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SYS_H
#define BENCH_SYS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __x86_64__
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_CLOSE = 3, SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_PIPE = 22, SYS_FORK = 57, SYS_EXECVE = 59, SYS_EXIT = 60,
       SYS_WAIT4 = 61, SYS_GETPPID = 110, SYS_CLOCK_GETTIME = 228 };
#else
enum { SYS_EXIT = 1, SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_CLOSE = 6, SYS_EXECVE = 11, SYS_PIPE = 42, SYS_GETPPID = 64, SYS_MMAP = 90,
       SYS_MUNMAP = 91, SYS_WAIT4 = 114, SYS_CLOCK_GETTIME = 265 };
#endif

long sys (long n, long a, long b, long c, long d);
void *map_pages (unsigned long size, int executable);   /* anonymous memory */
void unmap_pages (void *p, unsigned long size);
int wait_for (int pid);                                 /* its wait status */
u64 now_ns (void);
u64 div64 (u64 n, u32 d);
void put (const char *s);
void put_number (u64 n);
int same (const char *a, const char *b);
void *memcpy (void *d, const void *s, __SIZE_TYPE__ n);
void *memset (void *d, int c, __SIZE_TYPE__ n);

/* The workloads; each leaves what it computed in `sink`. */
extern volatile u32 sink;
extern u8 buffer_a[1 << 20], buffer_b[1 << 20];
typedef void Work (void);
Work work_integer, work_x87, work_sse2, work_sse_vector, work_rep_movs, work_calls, work_vm_goto, work_vm_calls, work_chase;
Work work_sha256, work_sort, work_chase_l2, work_chase_ram, work_tlb, work_stream, work_n_body;
Work work_self_modifying, work_new_code, work_syscall, work_mmap, work_fork, work_fork_exec, work_pipe, work_parallel;

#endif
