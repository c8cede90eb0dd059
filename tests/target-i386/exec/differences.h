/* differences.h -- whether this processor and the translator ended a case alike, and where both manuals let them differ. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_EXEC_DIFFERENCES_H
#define TEST_EXEC_DIFFERENCES_H

#include "generate.h"

/* They agree, or a rule explains all that differs; it is counted. */
bool ended_alike (const Case *c, const ExecState *native, const ExecState *guest);
/* The rules that were used since the last time. */
void print_differences (void);

#endif
