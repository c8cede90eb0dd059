/* migrate-pair.h -- two machines of which one moves to the other, and a folder for the stream: what tests of migration share. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_MIGRATE_PAIR_H
#define TESTS_CORE_MIGRATE_PAIR_H

#include "migrate.h"
#include "toy.h"

extern BpMachine *from, *to;
/* A file in `folder`, and the address by which a stream goes there. */
extern char *folder, *file, *address;

void pair_setup (void);
void pair_teardown (void);
/* Built, realized and reset; `incoming`: waits for a stream. */
BpMachine *pair_build (const char *text, bool incoming);
/* And *m is NULL. */
void end_machine (BpMachine **m);
/* Until its migration has come to an end, either way. */
BpMigrationInfo wait_for (BpMachine *m);

#endif
