/* vhost-requests.h -- what the tests' vhost-user back end does with requests: of a disk in memory, and of a network with one host. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VHOST_REQUESTS_H
#define TESTS_VHOST_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_PARTS = 1024, REQUEST_FRAME = 2048 };

typedef struct RequestPart {
  uint8_t *at;
  uint64_t address;
  uint32_t size;
  bool write;                   /* by the device */
} RequestPart;

typedef struct Request {
  uint16_t head;                /* packed: its id */
  unsigned n;
  RequestPart parts[REQUEST_PARTS];
} Request;

/* Both give how many bytes were written. */
uint32_t request_on_disk (const Request *q, uint8_t *disk, size_t disk_size);
uint32_t request_fill (const Request *q, const uint8_t *bytes, uint32_t size);
/* With the header of virtio 1.0; 0: nobody answers. */
uint32_t request_answer_frame (const Request *q, uint8_t answer[REQUEST_FRAME]);

#endif
