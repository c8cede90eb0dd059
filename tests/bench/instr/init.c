/* init.c -- the first program of the instruments' bench guest: says that it is there, runs /bench between two markers, and switches the machine off. */
/* SPDX-License-Identifier: MIT */
/* Built with -nostdlib -static, with the bench guest's sys.c.  Its arguments (what the kernel's command line has behind `--') go to /bench. */
#include "../guest/sys.h"

enum { SYS_REBOOT = 169 };

/* The magic instruction: instruments of Backplane start at 1 and stop at 2; others see an exchange that changes nothing. */
static void marker (int number) { __asm__ volatile ("xchg %%bx, %%bx" : : "a" (number)); }

void start_c (const long *stack);
void
start_c (const long *stack)
{
  static const char *const environment[] = { 0 };
  put ("bench boot-done 1 0\n");
  marker (1);
  int pid = (int) sys (SYS_FORK, 0, 0, 0, 0);
  if (pid == 0) {
    sys (SYS_EXECVE, (long) "/bench", (long) (stack + 1), (long) environment, 0);
    put ("bench cannot be run\n");
    sys (SYS_EXIT, 1, 0, 0, 0);
  }
  wait_for (pid);
  marker (2);
  put ("bench done\n");
  sys (SYS_REBOOT, (long) 0xfee1dead, 672274793, 0x4321fedc, 0);
  for (;;)
    ;
}

__asm__ (".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start_c\n");
