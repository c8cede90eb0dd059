/* vhost-back-end.h -- a vhost-user back end of the tests' own: a disk in memory, and ways to misbehave. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VHOST_BACK_END_H
#define TESTS_VHOST_BACK_END_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum BackEndFault {
  BACK_END_FINE,
  BACK_END_SHORT_ANSWER,        /* ends in the middle of one */
  BACK_END_OTHER_ANSWER,        /* to another request */
  BACK_END_HUGE_ANSWER,         /* says that it is larger than any */
  BACK_END_OLD,                 /* knows no virtio 1 */
  BACK_END_NO_CONFIG,
  BACK_END_NO_QUEUES,
  BACK_END_REFUSES_MEMORY,
  BACK_END_ENDS_IN_REQUEST,     /* goes when it is kicked, without an answer */
  BACK_END_N_FAULTS
} BackEndFault;

typedef struct BackEnd BackEnd;
enum { BACK_END_DISK = 1 << 16 };
/* Listens at the path, in a thread; serves one front end after the other. */
BackEnd *back_end_new (const char *path, BackEndFault fault);
/* Hangs up on who is there, and goes. */
void back_end_free (BackEnd *b);
uint8_t *back_end_disk (BackEnd *b);

#endif
