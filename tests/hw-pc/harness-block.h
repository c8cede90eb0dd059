/* harness-block.h -- a disk of a test: memory behind a block backend, which answers when it is told to, and fails where it is told to. */
/* SPDX-License-Identifier: MIT */
/*
 * The type `harness-block` (backend) has `size` (bytes, 0: no medium) and `read-only`; byte i of sector n is (n * 7 + i) & 0xff at first.  Requests wait
 * until somebody drains, as a deterministic machine does when an answer is due, or until harness_block_answer.
 */
#ifndef TESTS_HARNESS_BLOCK_H
#define TESTS_HARNESS_BLOCK_H

#include "harness.h"
#include <backplane/iface/block.h>

extern const BpTypeDesc harness_block_type;

uint8_t *harness_block_bytes (Harness *h, const char *id);
/* Requests that touch these sectors fail with `error`; 0: none does.  n UINT64_MAX: all do, flushes too. */
void harness_block_fail (Harness *h, const char *id, uint64_t first, uint64_t n, int error);
/* All that wait, and what comes of them; how many that was. */
unsigned harness_block_answer (Harness *h, const char *id);
unsigned harness_block_waiting (Harness *h, const char *id);
/* Reads are done by who asks whether they can be, from now on. */
void harness_block_at_once (Harness *h, const char *id);
/* How many bytes of stack lie between the shallowest and the deepest of these reads. */
size_t harness_block_depth (Harness *h, const char *id);
/* How many of one kind were done without an error. */
unsigned harness_block_count (Harness *h, const char *id, BpBlockOp op);
/* The offset and size of the last discard. */
void harness_block_discarded (Harness *h, const char *id, uint64_t *offset, uint64_t *size);
/* Another medium of so many bytes (0: none); false: the device's door is locked. */
bool harness_block_change (Harness *h, const char *id, uint64_t size, bool read_only, bool force);
/* The medium loses its end without a word. */
void harness_block_truncate (Harness *h, const char *id, uint64_t size);
/* Every disk's medium, and what becomes of requests to it, goes to the same disk of another machine.  A snapshot has the drives and not their media, so this
 * comes before the machine's state does; devices are not told, as when a disk goes back to a snapshot of its own. */
void harness_block_copy (Harness *from, Harness *to);

#endif
