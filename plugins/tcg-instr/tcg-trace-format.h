/* tcg-trace-format.h -- Backplane's trace files: the numbers that writer and reader share.  tcg-trace.md tells the format byte by byte. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_FORMAT_H
#define TCG_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file is a header, then chunks.  Numbers of fixed width are in the order of the host that wrote; ORDER tells which that was. */
#define TRACE_MAGIC "\x89" "BPT\r\n\x1a\n"
#define TRACE_MAGIC_BYTES 8
#define TRACE_ORDER 0x01020304u
enum { TRACE_VERSION = 1, TRACE_HEADER_BYTES = 48, TRACE_CHUNK_BYTES = 48, TRACE_TEXT_LIMIT = 1 << 20 };
#define TRACE_CHUNK_MAGIC 0x4b4e4843u   /* "CHNK" where the lowest byte is first */

enum {                          /* the header's flags */
  TRACE_HAS_MEMORY = 1 << 0,
  TRACE_HAS_VALUES = 1 << 1
};

/* Offsets in the header. */
enum {
  TRACE_AT_ORDER = 8, TRACE_AT_VERSION = 12, TRACE_AT_FLAGS = 16, TRACE_AT_VCPU = 20, TRACE_AT_SKIPPED = 24, TRACE_AT_TEXT_BYTES = 32,
  TRACE_AT_CHECK = 36, TRACE_AT_RESERVED = 40
};

enum { TRACE_CHUNK_EVENTS = 1, TRACE_CHUNK_END = 2 };
enum { TRACE_PACKED_NONE = 0, TRACE_PACKED_ZSTD = 1 };

/* Offsets in a chunk's header. */
enum {
  TRACE_CHUNK_AT_KIND = 4 /* 1 byte, then 1 of packing */, TRACE_CHUNK_AT_STORED = 8, TRACE_CHUNK_AT_RAW = 12, TRACE_CHUNK_AT_ADDRESSES = 16,
  TRACE_CHUNK_AT_VALUES = 20, TRACE_CHUNK_AT_INSNS = 24, TRACE_CHUNK_AT_LOST = 32, TRACE_CHUNK_AT_CHECK = 40, TRACE_CHUNK_AT_HEADER_CHECK = 44
};

/* A writer ends a chunk when it has about so many bytes, and not before its next jump or its TRACE_STRAIGHT-th instruction in a row; a reader takes up to the
 * limit, which is more than these (with 8 accesses each) and one instruction with all of its accesses have. */
enum { TRACE_CHUNK_TARGET = 1 << 20, TRACE_CHUNK_LIMIT = 64 << 20, TRACE_STRAIGHT = 1 << 16 };

/* Tokens of the control column: a varint whose two low bits say which. */
enum { TRACE_RUN, TRACE_GOTO, TRACE_ODD, TRACE_OTHER };
/* OTHER's. */
enum { TRACE_DEFINE, TRACE_SPACE, TRACE_JUMP, TRACE_GAP, TRACE_MORE };

/* An access's code: bit 0 a store, bit 1 atomic, then the size. */
enum { TRACE_CODE_STORE = 1, TRACE_CODE_ATOMIC = 2, TRACE_CODE_SIZE_SHIFT = 2 };
/* Sizes by code; the last code is followed by the size itself. */
static const uint8_t trace_sizes[] = { 1, 2, 4, 8, 16, 32, 64, 10, 6 };
enum { TRACE_SIZE_EXPLICIT = 63, TRACE_SHAPE_LIMIT = 8 };

/* Accesses of an instruction that are told at once, at most: a rep that makes more goes on in further pieces. */
enum { TRACE_ACCESSES_LIMIT = 1 << 20 };

typedef struct TraceAccess {
  uint64_t address, value;      /* value: 0 when it is not known, or bytes > 8 */
  uint32_t bytes;
  bool is_store, is_atomic;
} TraceAccess;

static inline uint64_t trace_zigzag (uint64_t v) { return v << 1 ^ (uint64_t) ((int64_t) v >> 63); }
static inline uint64_t trace_unzigzag (uint64_t v) { return v >> 1 ^ (0 - (v & 1)); }

enum { TRACE_VARINT_BYTES = 10 };

/* Seven bits a byte, the lowest first, the top bit set in all but the last; at most 10 bytes. */
static inline uint8_t *
trace_put_varint (uint8_t *at, uint64_t v)
{
  while (v >= 0x80) {
    *at++ = (uint8_t) (v | 0x80);
    v >>= 7;
  }
  *at++ = (uint8_t) v;
  return at;
}

/* CRC-32C (Castagnoli), begun with 0. */
uint32_t trace_checksum (uint32_t crc, const void *data, size_t size);

#endif
