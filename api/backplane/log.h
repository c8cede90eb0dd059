/* log.h -- topics of the debug log, and the three channels a plugin may speak through. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  `-d TOPIC,...` chooses topics, `-D FILE` sends them to a file.  A guest that misbehaves goes to guest_errors, what is not
 * modelled to unimp; neither ends anything.  All of it is [any] thread and costs one load and branch when the topic is off.
 */
#ifndef BACKPLANE_LOG_H
#define BACKPLANE_LOG_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpLogTopic {
  BP_LOG_IN_ASM = 1 << 0,       /* guest code of each translated block */
  BP_LOG_OP = 1 << 1,           /* IR as the frontend emitted it */
  BP_LOG_OP_OPT = 1 << 2,       /* IR after optimisation */
  BP_LOG_OUT_ASM = 1 << 3,      /* host code */
  BP_LOG_EXEC = 1 << 4,         /* each block entered (chaining is switched off) */
  BP_LOG_INT = 1 << 5,          /* interrupts and exceptions */
  BP_LOG_MMU = 1 << 6,          /* page walks and TLB flushes */
  BP_LOG_CPU_RESET = 1 << 7,    /* registers at reset */
  BP_LOG_GUEST_ERRORS = 1 << 8,
  BP_LOG_UNIMP = 1 << 9
} BpLogTopic;

/* Bits of the topics that are on; read it through bp_log_on. */
extern BP_EXPORT uint32_t bp_log_mask;
#define bp_log_on(topic) (G_UNLIKELY (__atomic_load_n (&bp_log_mask, __ATOMIC_RELAXED) & (topic)))

/* Writes a line (no newline needed) when the topic is on. */
#define bp_log(topic, ...) do { if (bp_log_on (topic)) bp_log_write ((topic), __VA_ARGS__); } while (0)
BP_EXPORT void bp_log_write (BpLogTopic topic, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The guest broke a rule of the device `self` (may be NULL); one line, prefixed with the object's id. */
#define bp_log_guest(self, ...) do { if (bp_log_on (BP_LOG_GUEST_ERRORS)) bp_log_object ((self), BP_LOG_GUEST_ERRORS, __VA_ARGS__); } while (0)
/* The guest used what `self` does not model. */
#define bp_log_unimp(self, ...) do { if (bp_log_on (BP_LOG_UNIMP)) bp_log_object ((self), BP_LOG_UNIMP, __VA_ARGS__); } while (0)
BP_EXPORT void bp_log_object (const void *self, BpLogTopic topic, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Chooses the topics anew: names, comma-separated, as `-d` takes them; "": none.  Code that is translated already logs what it did. [any] */
BP_EXPORT bool bp_log_set_topics (const char *topics, GError **error);
/* One line a topic, with what it shows; free with g_free. [any] */
BP_EXPORT char *bp_log_topics_text (void);

/* A warning to the person at the terminal, always shown, as a line: "backplane: warning: ID: ..."; self may be NULL. [any] */
BP_EXPORT void bp_warn (const void *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

BP_END_DECLS
#endif
