/* vhost-back-end.h -- a vhost-user back end of the tests' own: a disk in memory, or a network with one host; and ways to misbehave. */
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
  BACK_END_ENDS_WITH_SECOND,    /* waits for two requests, does the second and goes */
  BACK_END_WRONG_POSITION,      /* stops at one that the ring does not have */
  BACK_END_N_FAULTS
} BackEndFault;

enum {                          /* what it knows beside the least */
  BACK_END_INFLIGHT = 1 << 0, BACK_END_LOGS = 1 << 1, BACK_END_PACKED = 1 << 2, BACK_END_CHANNEL = 1 << 3, BACK_END_WCE = 1 << 4,
  BACK_END_NET = 1 << 5,        /* it is a network: a host that answers ARP for any address, and ICMP echo */
  BACK_END_STEPS = 1 << 6       /* does nothing unless it is asked, so that each run is the same, and bears any driver: for fuzzing */
};

typedef struct BackEnd BackEnd;
enum { BACK_END_DISK = 1 << 20 };
/* Listens at the path, in a thread; serves one front end after the other. */
BackEnd *back_end_new (const char *path, BackEndFault fault, unsigned knows);
/* Hangs up on who is there, and goes. */
void back_end_free (BackEnd *b);
uint8_t *back_end_disk (BackEnd *b);
/* What the front end has told last. */
bool back_end_writeback (BackEnd *b);
/* Its disk has so many sectors: it says so, and wants an answer, which `heard' waits for. */
void back_end_resize (BackEnd *b, uint64_t sectors);
bool back_end_heard (BackEnd *b);
/* A message of its own that is none. */
void back_end_babble (BackEnd *b);
/* Requests that it was told that another had begun. */
unsigned back_end_inherited (BackEnd *b);

/* --- with BACK_END_STEPS: it is still but in these, and while the front end waits for an answer ------------------ */

/* What it was told is done, and what was kicked. */
void back_end_settle (BackEnd *b);
bool back_end_is_there (BackEnd *b);    /* has a front end */
/* Takes one front end more, of which it knows this; the first one is taken without. */
void back_end_listen (BackEnd *b, unsigned knows);
bool back_end_listens (BackEnd *b);
void back_end_ignore (BackEnd *b);      /* listens no more */
void back_end_hang_up (BackEnd *b);
/* What is wrong with its next answers and requests, a byte each, and those that these take; behind the end all is well. */
void back_end_script (BackEnd *b, const uint8_t *bytes, size_t size);
/* Says that its disk has so many sectors, as `resize' does, when it has a channel. */
void back_end_announce (BackEnd *b, uint64_t sectors);
/* Any message on its channel; or any bytes there (or where it answers), which are its last. */
void back_end_speak (BackEnd *b, uint32_t request, uint32_t flags, const uint8_t *bytes, uint32_t size);
void back_end_mumble (BackEnd *b, bool channel, const uint8_t *bytes, size_t size);
/* Signals that it has done something, whether it has or not. */
void back_end_call (BackEnd *b, unsigned queue);

#endif
