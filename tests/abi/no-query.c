/* no-query.c -- a shared object that is no plugin. */
/* SPDX-License-Identifier: MIT */

#include <backplane/common.h>

BP_EXPORT int some_library_function (void);

int
some_library_function (void)
{
  return 1;
}
