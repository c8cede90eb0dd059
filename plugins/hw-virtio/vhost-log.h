/* vhost-log.h -- the pages of guest memory that a vhost-user back end has written, as it logs them itself. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VHOST_LOG_H
#define HW_VIRTIO_VHOST_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct VhostLog {
  uint64_t *words;              /* shared with the back end, which sets bits at any time: one a page; NULL: no log */
  uint64_t size;                /* bytes */
  int fd;
} VhostLog;

void vhost_log_init (VhostLog *log);
void vhost_log_finish (VhostLog *log);
/* Has a place for each page below `end'. */
bool vhost_log_cover (VhostLog *log, uint64_t end, GError **error);
/* What was written since the last time. */
void vhost_log_take (VhostLog *log, void (*written) (void *user, uint64_t address, uint64_t size), void *user);

#endif
