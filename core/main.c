/* main.c -- the program: all of it is in the library, which plugins and program share. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

int
main (int argc, char **argv)
{
  return bp_main (argc, argv);
}
