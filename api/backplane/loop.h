/* loop.h -- the main loop and I/O threads, as seen by backends. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Each loop has a thread.  Backends watch file descriptors on one; a device posts to the main loop what must not be done where it is (on a vCPU's
 * thread, under a lock), or has a thread of its own.
 */
#ifndef BACKPLANE_LOOP_H
#define BACKPLANE_LOOP_H

#include <backplane/common.h>
BP_BEGIN_DECLS

BP_EXPORT BpLoop *bp_loop_main (BpMachine *machine);           /* the machine's. [any] */
/* An I/O thread of its own; the caller frees it.  NULL: the host has no thread or no descriptor to spare. [main] */
BP_EXPORT BpLoop *bp_loop_new_thread (const char *name);
/* Of bp_loop_new_thread: makes the calls that were posted, and ends the thread, which may be waiting for the machine lock: not [locked], so an unrealize of a type that
 * may leave a running machine posts this to the main loop.  NULL is fine. [main] */
BP_EXPORT void bp_loop_free (BpLoop *loop);
BP_EXPORT GMainContext *bp_loop_context (BpLoop *loop);        /* for what GLib can do beyond this: the main loop's, others have none. [any] */
/* Calls f (user) once on the loop's thread, soon and in the order of posting; with `locked`, under the lock of `machine', which may be NULL otherwise.  What was posted to the main loop and not called when the machine ends is
 * called before its objects are unrealized, or, posted while they are, before they are freed.  When an object leaves a machine that runs, what it has posted to
 * the main loop is called after its unrealize, and finds its memory as that has left it. [any] */
BP_EXPORT void bp_loop_post (BpLoop *loop, bool locked, BpMachine *machine, void (*f) (void *user), void *user);
/* Calls ready (user, condition) on the loop's thread whenever fd has one of `condition`, or an error or hang-up; under the lock of `machine', NULL: without.  It returns
 * whether it is to be called again; false: the id is gone.  fd stays the caller's, open until then.  Returns an id > 0. [any] */
BP_EXPORT unsigned bp_loop_watch_fd (BpLoop *loop, BpMachine *machine, int fd, GIOCondition condition,
                                     bool (*ready) (void *user, GIOCondition condition), void *user);
/* When this returns ready is not called any more, if the caller has the lock that it is called under, or is on the loop's thread; else it may be running. [any] */
BP_EXPORT void bp_loop_unwatch (BpLoop *loop, unsigned id);

BP_END_DECLS
#endif
