/* profile-guest.c -- a Multiboot program whose instructions go where its functions say: three parts to one. */
/* SPDX-License-Identifier: MIT */
__asm__ (".section .multiboot, \"a\"\n"
         "  .balign 4\n"
         "  .long 0x1badb002, 0, -0x1badb002\n"
         ".text\n"
         ".globl start\n"
         ".type start, @function\n"
         "start:\n"
         "  cli\n"
         "  mov $stack_top, %esp\n"
         "  xor %ebp, %ebp\n"
         "  call guest_main\n"
         "  mov $0x10, %al\n"
         "  out %al, $0xf4\n"
         "1:\n"
         "  hlt\n"
         "  jmp 1b\n"
         ".size start, . - start\n"
         ".bss\n"
         ".space 16384\n"
         "stack_top:\n"
         ".text\n");

void guest_main (void);

/* Two instructions a round. */
static __attribute__ ((noinline)) void
leaf (unsigned rounds)
{
  __asm__ volatile ("1: dec %0\n  jnz 1b" : "+r" (rounds));
}

static __attribute__ ((noinline)) void
heavy (void)
{
  leaf (3000);
  __asm__ volatile ("");        /* no tail call */
}

static __attribute__ ((noinline)) void
light (void)
{
  leaf (1000);
  __asm__ volatile ("");
}

void
guest_main (void)
{
  for (unsigned i = 0; i < 500; i++) {
    heavy ();
    light ();
  }
}
