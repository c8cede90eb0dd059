/* guest.c -- the sample guest: says three lines. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "guest.h"

void
program (void)
{
  print ("The first line\n");
  print ("The second line\n");
  print ("The last line\n");
}
