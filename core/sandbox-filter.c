/* sandbox-filter.c -- the table of system calls as a program for the kernel's filter: a search by number, and rules about arguments. */
/* SPDX-License-Identifier: MIT */
/*
 * The program is ours rather than a library's: the whole of it is a binary search over the borders of runs of numbers that are treated alike, which takes seven
 * comparisons, and a few rules.  Each rule is code of its own behind the search.
 */
#include "sandbox.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANDBOX_SANITIZED 1
#endif

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0          /* none: everything would be refused, and filter_new gives no program */
#endif

#define ERROR_RETURN(code) (SECCOMP_RET_ERRNO | (code))

/* --- the table ---------------------------------------------------------------------------------- */

typedef enum Rule { RULE_REFUSE, RULE_ALLOW, RULE_absent, RULE_clone, RULE_get, RULE_ioctl, RULE_mmap, RULE_mprotect, RULE_prctl, RULE_quiet, RULE_self, RULE_socket, N_RULES } Rule;

static const struct Row {
  const char *name;
  Rule rule;
} table[] = {
#define SYSCALL(name, why) { #name, RULE_ALLOW },
#define NARROWED(name, rule, why) { #name, RULE_##rule },
#include "sandbox-syscalls.def"
};

static const char *const what_for[N_RULES] = {
  [RULE_absent] = "what its flags say", [RULE_clone] = "a process, not a thread", [RULE_get] = "another limit", [RULE_ioctl] = "what only other drivers have, or typing into a terminal",
  [RULE_mmap] = "memory that is writable and executable", [RULE_mprotect] = "memory that becomes executable", [RULE_prctl] = "more than a name",
  [RULE_quiet] = "a ring of requests", [RULE_self] = "another process", [RULE_socket] = "a family other than Unix's and the Internet's"
};

const char *
filter_refuses (int number)
{
  const char *name = syscall_name (number);
  for (unsigned i = 0; name && i < G_N_ELEMENTS (table); i++)
    if (g_str_equal (table[i].name, name))
      return what_for[table[i].rule] ? what_for[table[i].rule] : "";
  return "";
}

/* --- instructions --------------------------------------------------------------------------------- */

typedef struct Program {
  GArray *code;                 /* of struct sock_filter */
  uint32_t refusal;
  GArray *runs;                 /* of Run */
} Program;

static unsigned
emit (Program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
  struct sock_filter f = { code, yes, no, k };
  g_array_append_val (p->code, f);
  return p->code->len - 1;
}

static void load (Program *p, size_t offset) { emit (p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) offset); }
static void mask (Program *p, uint32_t bits) { emit (p, BPF_ALU | BPF_AND | BPF_K, 0, 0, bits); }
static void end (Program *p, uint32_t action) { emit (p, BPF_RET | BPF_K, 0, 0, action); }
static void allow (Program *p) { end (p, SECCOMP_RET_ALLOW); }
static void refuse (Program *p) { end (p, p->refusal); }

static void
end_if (Program *p, uint32_t value, uint32_t action)
{
  emit (p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
  end (p, action);
}

static void
load_argument (Program *p, unsigned i)
{
  load (p, offsetof (struct seccomp_data, args) + 8 * i + (G_BYTE_ORDER == G_BIG_ENDIAN) * 4);
}

/* --- rules ------------------------------------------------------------------------------------------ */

static void
rule_absent (Program *p)
{
  end (p, ERROR_RETURN (ENOSYS));
}

/* It fails, and nobody is told. */
static uint32_t
quietly (const Program *p)
{
  return (p->refusal & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRAP ? ERROR_RETURN (EPERM) : p->refusal;
}

static void
rule_quiet (Program *p)
{
  end (p, quietly (p));
}

/* Who starts a program by posix_spawn() blocks all signals meanwhile, SIGSYS among them, and would end the machine if it were told by that. */
static void
rule_clone (Program *p)
{
#ifndef SANDBOX_SANITIZED
  load_argument (p, 0);
  mask (p, CLONE_THREAD | CLONE_VFORK);
  end_if (p, CLONE_VFORK, quietly (p));
  end_if (p, 0, p->refusal);
#endif
  allow (p);
}

static void
rule_get (Program *p)
{
  size_t limit = offsetof (struct seccomp_data, args) + 8 * 2;
  load (p, limit);
  emit (p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
  refuse (p);
  load (p, limit + 4);
  end_if (p, 0, SECCOMP_RET_ALLOW);
  refuse (p);
}

/* By the letter of the driver: KVM's, terminals' and tap interfaces', sockets'.  TIOCSTI types into a terminal that others read from. */
static void
rule_ioctl (Program *p)
{
  load_argument (p, 1);
  end_if (p, TIOCSTI, p->refusal);
  end_if (p, TIOCLINUX, p->refusal);
  mask (p, 0xff00);
  end_if (p, 0xae00, SECCOMP_RET_ALLOW);
  end_if (p, 'T' << 8, SECCOMP_RET_ALLOW);
  end_if (p, 0x8900, SECCOMP_RET_ALLOW);
  if (p->refusal == SECCOMP_RET_USER_NOTIF)
    end_if (p, '!' << 8, SECCOMP_RET_ALLOW);    /* the observer's own */
  refuse (p);
}

static void
rule_mmap (Program *p)
{
  load_argument (p, 2);
  mask (p, PROT_WRITE | PROT_EXEC);
  end_if (p, PROT_WRITE | PROT_EXEC, p->refusal);
  allow (p);
}

/* What was writable once never becomes code. */
static void
rule_mprotect (Program *p)
{
  load_argument (p, 2);
  mask (p, PROT_EXEC);
  end_if (p, PROT_EXEC, p->refusal);
  allow (p);
}

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static void
rule_prctl (Program *p)
{
  static const uint32_t allowed[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP,
#ifdef SANDBOX_SANITIZED
                                      PR_SET_DUMPABLE, PR_SET_PTRACER, PR_SET_PDEATHSIG,
#endif
  };
  load_argument (p, 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (allowed); i++)
    end_if (p, allowed[i], SECCOMP_RET_ALLOW);
  refuse (p);
}

static void
rule_self (Program *p)
{
  load_argument (p, 0);
  end_if (p, (uint32_t) getpid (), SECCOMP_RET_ALLOW);
  refuse (p);
}

/* AF_NETLINK has no protocol but its routes: how the C library learns of the host's addresses. */
static void
rule_socket (Program *p)
{
  load_argument (p, 0);
  end_if (p, AF_UNIX, SECCOMP_RET_ALLOW);
  end_if (p, AF_INET, SECCOMP_RET_ALLOW);
  end_if (p, AF_INET6, SECCOMP_RET_ALLOW);
  emit (p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_NETLINK);
  refuse (p);
  load_argument (p, 2);
  end_if (p, 0, SECCOMP_RET_ALLOW);
  refuse (p);
}

static void (*const rules[N_RULES]) (Program *p) = {
  [RULE_REFUSE] = refuse, [RULE_ALLOW] = allow, [RULE_absent] = rule_absent, [RULE_clone] = rule_clone, [RULE_get] = rule_get, [RULE_ioctl] = rule_ioctl, [RULE_mmap] = rule_mmap,
  [RULE_mprotect] = rule_mprotect, [RULE_prctl] = rule_prctl, [RULE_quiet] = rule_quiet, [RULE_self] = rule_self, [RULE_socket] = rule_socket
};

/* --- the search ---------------------------------------------------------------------------------------- */

/* Numbers from here to the next run's are treated alike. */
typedef struct Run {
  uint32_t first;
  Rule rule;
  unsigned leaf;                /* the jump to its rule */
} Run;

static int
compare_runs (const void *a, const void *b)
{
  uint32_t x = ((const Run *) a)->first, y = ((const Run *) b)->first;
  return (x > y) - (x < y);
}

/* Calls one by one, sorted. */
static GArray *
calls_of (const int *allowed, unsigned n)
{
  GArray *calls = g_array_new (FALSE, FALSE, sizeof (Run));
  for (unsigned i = 0; i < n; i++) {
    Run r = { (uint32_t) allowed[i], RULE_ALLOW, 0 };
    g_array_append_val (calls, r);
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (table); i++) {
    int number = syscall_number (table[i].name);
    Run r = { (uint32_t) number, table[i].rule, 0 };
    bool known = number < 0;
    for (unsigned j = 0; !known && j < n; j++)
      known = allowed[j] == number;
    if (!known)
      g_array_append_val (calls, r);
  }
  g_array_sort (calls, compare_runs);
  return calls;
}

static void
add_run (GArray *runs, uint32_t first, Rule rule)
{
  Run r = { first, rule, 0 };
  Run *last = runs->len ? &g_array_index (runs, Run, runs->len - 1) : NULL;
  if (last && last->first == first)
    last->rule = rule;
  else if (!last || last->rule != rule)
    g_array_append_val (runs, r);
}

static GArray *
runs_of (const int *allowed, unsigned n)
{
  g_autoptr (GArray) calls = calls_of (allowed, n);
  GArray *runs = g_array_new (FALSE, FALSE, sizeof (Run));
  add_run (runs, 0, RULE_REFUSE);
  for (unsigned i = 0; i < calls->len; i++) {
    const Run *c = &g_array_index (calls, Run, i);
    if (i && c->first == (c - 1)->first)
      continue;
    add_run (runs, c->first, c->rule);
    add_run (runs, c->first + 1, RULE_REFUSE);
  }
  return runs;
}

/* A run that follows another of its kind goes on with it; a border that came to nothing is taken out. */
static void
join_runs (GArray *runs)
{
  for (unsigned i = runs->len; i-- > 1;)
    if (g_array_index (runs, Run, i).rule == g_array_index (runs, Run, i - 1).rule)
      g_array_remove_index (runs, i);
}

static void
emit_search (Program *p, unsigned from, unsigned to)
{
  if (to - from == 1) {
    g_array_index (p->runs, Run, from).leaf = emit (p, BPF_JMP | BPF_JA, 0, 0, 0);
    return;
  }
  unsigned middle = (from + to) / 2, at = emit (p, BPF_JMP | BPF_JGE | BPF_K, 0, 0, g_array_index (p->runs, Run, middle).first);
  emit_search (p, from, middle);
  unsigned over = p->code->len - at - 1;
  g_assert (over <= G_MAXUINT8);
  g_array_index (p->code, struct sock_filter, at).jt = (uint8_t) over;
  emit_search (p, middle, to);
}

static void
emit_rules (Program *p)
{
  for (unsigned rule = 0; rule < N_RULES; rule++) {
    unsigned start = p->code->len;
    rules[rule] (p);
    for (unsigned i = 0; i < p->runs->len; i++) {
      const Run *r = &g_array_index (p->runs, Run, i);
      if (r->rule == rule)
        g_array_index (p->code, struct sock_filter, r->leaf).k = start - r->leaf - 1;
    }
  }
}

GArray *
filter_new (const int *allowed, unsigned n, uint32_t refusal)
{
  if (!ARCHITECTURE)
    return NULL;
  Program p = { g_array_new (FALSE, FALSE, sizeof (struct sock_filter)), refusal, runs_of (allowed, n) };
  join_runs (p.runs);
  load (&p, offsetof (struct seccomp_data, arch));
  emit (&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);     /* another architecture's numbers mean other calls */
  end (&p, ERROR_RETURN (EPERM));
  load (&p, offsetof (struct seccomp_data, nr));
  emit_search (&p, 0, p.runs->len);
  emit_rules (&p);
  g_array_unref (p.runs);
  return p.code;
}
