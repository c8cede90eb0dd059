/* loop.h -- the main loop and I/O threads, as seen by backends. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  Each loop is a GMainContext with a thread.  Backends watch file descriptors on one; devices rarely need this header. */
#ifndef BACKPLANE_LOOP_H
#define BACKPLANE_LOOP_H

#include <backplane/common.h>
BP_BEGIN_DECLS

BP_EXPORT BpLoop *bp_loop_main (BpMachine *machine);
BP_EXPORT BpLoop *bp_loop_new_thread (const char *name);       /* an I/O thread of its own [main] */
BP_EXPORT void bp_loop_free (BpLoop *loop);                    /* joins an I/O thread */
BP_EXPORT GMainContext *bp_loop_context (BpLoop *loop);
/* Calls f (user) once on the loop's thread; with `locked`, under the machine lock.  What was posted to the main loop and not called when the machine ends is
 * called before its objects are unrealized, or, posted while they are, before they are freed.  When an object leaves a machine that runs, what it has posted to
 * the main loop is called after its unrealize, and finds its memory as that has left it. [any] */
BP_EXPORT void bp_loop_post (BpLoop *loop, bool locked, BpMachine *machine, void (*f) (void *user), void *user);
/* Calls ready (user, condition) whenever fd has one of `condition`; locked.  Returns an id > 0. [any] */
BP_EXPORT unsigned bp_loop_watch_fd (BpLoop *loop, BpMachine *machine, int fd, GIOCondition condition,
                                     bool (*ready) (void *user, GIOCondition condition), void *user);
BP_EXPORT void bp_loop_unwatch (BpLoop *loop, unsigned id);

BP_END_DECLS
#endif
