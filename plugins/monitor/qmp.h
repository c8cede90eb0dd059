/* qmp.h -- the QEMU Machine Protocol: a server, its clients, and what they say to each other. */
/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_QMP_H
#define MONITOR_QMP_H

#include "monitor.h"
#include <backplane/socket.h>

/* Answers that a client has not read: it gets no more commands done beyond the first, no more events beyond the second. */
#define QMP_ENOUGH (64u << 10)
#define QMP_FULL (1u << 20)

typedef struct QmpServer {
  /* properties */
  char *listen;
  uint32_t most_clients, patience;
  /* derived */
  Monitor *monitor;
  MonitorSink sink;
  BpListener *listener;
  GPtrArray *clients;           /* of QmpClient * */
} QmpServer;

typedef struct QmpClient QmpClient;

/* --- qmp-client.c ---------------------------------------------------------------------------------- */

QmpClient *qmp_client_new (QmpServer *server, int fd);          /* greets it; fd is the client's */
/* What waits for it is written first, as far as it takes it by `deadline' (g_get_monotonic_time). */
void qmp_client_free (QmpClient *client, int64_t deadline);
void qmp_client_event (QmpClient *client, const char *line);    /* ends with \r\n; dropped before negotiation and when too much waits */

/* --- qmp-dispatch.c ----------------------------------------------------------------------------------- */

/* A client's state as far as commands go. */
typedef struct QmpDialogue {
  Call call;
  unsigned cpu;
  bool negotiated;
  JsonNode *id;                 /* of the command whose job goes on */
} QmpDialogue;

/* Does what a message asks, and appends the answer to `out`; without one when dialogue->call.job is set: qmp_continue until that says so. */
void qmp_dispatch (QmpDialogue *dialogue, JsonNode *message, GString *out);
bool qmp_continue (QmpDialogue *dialogue, GString *out);
void qmp_append_error (const JsonNode *id, const char *class, const char *description, GString *out);
void qmp_append_greeting (GString *out);
void qmp_append_event (const char *name, JsonObject *data, GString *out);
void qmp_dialogue_clear (QmpDialogue *dialogue);

extern const BpTypeDesc monitor_qmp_type, monitor_console_type;

#endif
