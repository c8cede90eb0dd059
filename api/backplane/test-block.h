/* test-block.h -- a disk of a test: memory behind a block backend, which answers when it is told to, and fails where it is told to. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The type `test-block` (backend) has `size` (bytes, 0: no medium) and `read-only`; byte i of sector n is (n * 7 + i) & 0xff at first.  Requests wait
 * until somebody drains, as a deterministic machine does when an answer is due, or until bp_test_block_answer.
 */
#ifndef BACKPLANE_TEST_BLOCK_H
#define BACKPLANE_TEST_BLOCK_H

#include <backplane/iface/block.h>
#include <backplane/test.h>
BP_BEGIN_DECLS

BP_EXPORT uint8_t *bp_test_block_bytes (BpTest *t, const char *id);
/* Requests that touch these sectors fail with `error` (errno.h); 0: none does.  n UINT64_MAX: all do, flushes too. */
BP_EXPORT void bp_test_block_fail (BpTest *t, const char *id, uint64_t first, uint64_t n, int error);
/* All that wait, and what comes of them; how many that was. */
BP_EXPORT unsigned bp_test_block_answer (BpTest *t, const char *id);
BP_EXPORT unsigned bp_test_block_waiting (BpTest *t, const char *id);
/* Reads are done by who asks whether they can be, from now on. */
BP_EXPORT void bp_test_block_at_once (BpTest *t, const char *id);
/* How many bytes of stack lie between the shallowest and the deepest of these reads. */
BP_EXPORT size_t bp_test_block_depth (BpTest *t, const char *id);
/* How many of one kind were done without an error. */
BP_EXPORT unsigned bp_test_block_count (BpTest *t, const char *id, BpBlockOp op);
/* The offset and size of the last discard. */
BP_EXPORT void bp_test_block_discarded (BpTest *t, const char *id, uint64_t *offset, uint64_t *size);
/* Another medium of so many bytes (0: none); false: the device's door is locked. */
BP_EXPORT bool bp_test_block_change (BpTest *t, const char *id, uint64_t size, bool read_only, bool force);
/* The medium loses its end without a word. */
BP_EXPORT void bp_test_block_truncate (BpTest *t, const char *id, uint64_t size);
/* Every disk's medium, and what becomes of requests to it, goes to the same disk of another machine.  A snapshot has the drives and not their media, so this
 * comes before the machine's state does; devices are not told, as when a disk goes back to a snapshot of its own. */
BP_EXPORT void bp_test_block_copy (BpTest *from, BpTest *to);

BP_END_DECLS

#define bp_test_block_bytes(...) BP_TEST_NOTED (bp_test_block_bytes (__VA_ARGS__))
#define bp_test_block_fail(...) BP_TEST_NOTED (bp_test_block_fail (__VA_ARGS__))
#define bp_test_block_answer(...) BP_TEST_NOTED (bp_test_block_answer (__VA_ARGS__))
#define bp_test_block_waiting(...) BP_TEST_NOTED (bp_test_block_waiting (__VA_ARGS__))
#define bp_test_block_at_once(...) BP_TEST_NOTED (bp_test_block_at_once (__VA_ARGS__))
#define bp_test_block_depth(...) BP_TEST_NOTED (bp_test_block_depth (__VA_ARGS__))
#define bp_test_block_count(...) BP_TEST_NOTED (bp_test_block_count (__VA_ARGS__))
#define bp_test_block_discarded(...) BP_TEST_NOTED (bp_test_block_discarded (__VA_ARGS__))
#define bp_test_block_change(...) BP_TEST_NOTED (bp_test_block_change (__VA_ARGS__))
#define bp_test_block_truncate(...) BP_TEST_NOTED (bp_test_block_truncate (__VA_ARGS__))
#define bp_test_block_copy(...) BP_TEST_NOTED (bp_test_block_copy (__VA_ARGS__))
#endif
