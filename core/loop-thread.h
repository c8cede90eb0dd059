/* loop-thread.h -- the loop of an I/O thread: posted calls and watched file descriptors. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_LOOP_THREAD_H
#define CORE_LOOP_THREAD_H

#include "machine.h"

typedef struct LoopCall {
  BpMachine *machine;           /* locked around the call; NULL: not */
  void (*f) (void *user);
  void *user;
} LoopCall;

typedef struct LoopWatch {
  BpMachine *machine;           /* locked around `ready'; NULL: not */
  bool (*ready) (void *user, GIOCondition condition);
  void *user;
} LoopWatch;

typedef struct LoopThread LoopThread;
LoopThread *loop_thread_new (const char *name); /* NULL: the host has no thread or no descriptor to spare */
void loop_thread_free (LoopThread *t);  /* makes the calls that were posted */
void loop_thread_post (LoopThread *t, LoopCall call);
unsigned loop_thread_watch (LoopThread *t, int fd, GIOCondition condition, LoopWatch watch);    /* an id */
void loop_thread_unwatch (LoopThread *t, unsigned id);  /* which may be gone */

void loop_make_call (const LoopCall *call);

#endif
