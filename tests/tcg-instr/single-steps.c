/* single-steps.c -- counts a guest's instructions by stepping through it: a client of gdb's protocol that knows nothing of instruments. */
/* SPDX-License-Identifier: MIT */
/*
 * single-steps SOCKET STUBS: the machine stands and waits on the Unix socket; STUBS is the address of 48 interrupt stubs of 16 bytes each.  An instruction
 * counts when a step leads from it; one from which it leads to a stub has faulted and does not, unless it is INT.  A repeated string instruction
 * counts when it is done, whatever the number of steps.  Prints the number when the guest has ended.
 */
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fd;
static char input[65536];
static size_t n_input, at_input;

static int
next_byte (void)
{
  if (at_input == n_input) {
    ssize_t n = read (fd, input, sizeof input);
    if (n <= 0)
      return -1;
    n_input = (size_t) n;
    at_input = 0;
  }
  return (unsigned char) input[at_input++];
}

/* Sends a packet and reads the answer; false: the connection is gone. */
static bool
ask (const char *packet, char *answer, size_t size)
{
  char out[256];
  unsigned sum = 0;
  for (const char *p = packet; *p; p++)
    sum += (unsigned char) *p;
  int n = snprintf (out, sizeof out, "+$%s#%02x", packet, sum & 255);
  if (write (fd, out, (size_t) n) != n)
    return false;
  int c;
  do
    c = next_byte ();
  while (c >= 0 && c != '$');
  size_t used = 0;
  while ((c = next_byte ()) >= 0 && c != '#')
    if (used + 1 < size)
      answer[used++] = (char) c;
  answer[used] = 0;
  return c >= 0 && next_byte () >= 0 && next_byte () >= 0;
}

static unsigned
hex_byte (const char *text)
{
  return (unsigned) (g_ascii_xdigit_value (text[0]) << 4 | g_ascii_xdigit_value (text[1]));
}

static bool
program_counter (uint32_t *pc)
{
  char answer[64];
  if (!ask ("p8", answer, sizeof answer) || strlen (answer) < 8)
    return false;
  *pc = hex_byte (answer) | hex_byte (answer + 2) << 8 | hex_byte (answer + 4) << 16 | hex_byte (answer + 6) << 24;
  return true;
}

typedef struct Insn {
  bool is_repeated, is_int;
} Insn;

static Insn
look (uint32_t pc)
{
  char packet[32], answer[64] = "";
  snprintf (packet, sizeof packet, "m%x,8", pc);
  if (!ask (packet, answer, sizeof answer) || strlen (answer) < 16)
    return (Insn) { false, false };
  bool has_rep = false;
  for (unsigned i = 0; i < 8; i++) {
    unsigned b = hex_byte (answer + 2 * i);
    if (b == 0xf2 || b == 0xf3)
      has_rep = true;
    else if (b != 0x66 && b != 0x67)
      return (Insn) { has_rep && ((b >= 0xa4 && b <= 0xa7) || (b >= 0xaa && b <= 0xaf) || (b >= 0x6c && b <= 0x6f)), b >= 0xcc && b <= 0xce };
  }
  return (Insn) { false, false };
}

int
main (int argc, char **argv)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  if (argc != 3)
    return 2;
  g_strlcpy (address.sun_path, argv[1], sizeof address.sun_path);
  uint32_t stubs = (uint32_t) strtoul (argv[2], NULL, 16);
  fd = socket (AF_UNIX, SOCK_STREAM, 0);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0) {
    perror (argv[1]);
    return 1;
  }
  signal (SIGPIPE, SIG_IGN);
  char answer[4096];
  uint64_t count = 0, steps = 0;
  uint32_t pc, next;
  if (!ask ("?", answer, sizeof answer) || !program_counter (&pc))
    return 1;
  for (;; pc = next) {
    Insn insn = look (pc);
    steps++;
    /* The connection ends with the machine, in its last step. */
    if (!ask ("s", answer, sizeof answer) || answer[0] != 'T' || !program_counter (&next))
      break;
    bool has_faulted = next >= stubs && next < stubs + 48 * 16 && (next & 15) == 0 && !insn.is_int;
    if (!has_faulted && !(insn.is_repeated && next == pc))
      count++;
  }
  printf ("%" G_GUINT64_FORMAT " instructions in %" G_GUINT64_FORMAT " steps\n", count + 1, steps);
  return 0;
}
