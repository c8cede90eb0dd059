/* guest.c -- the sample guest: adds up numbers in memory. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "guest.h"

void
program (void)
{
  static volatile uint32_t numbers[100];
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 100; i++)
    numbers[i] = i + 1;
  for (uint32_t i = 0; i < 100; i++)
    sum += numbers[i];
  print ("The sum is ");
  print_number (sum);
  print (".\n");
}
