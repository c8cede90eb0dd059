/* mem-backend.h -- what the memory backends share: common properties, and host memory with its hints. */
/* SPDX-License-Identifier: MIT */
#ifndef MEM_BACKENDS_MEM_BACKEND_H
#define MEM_BACKENDS_MEM_BACKEND_H

#include <backplane/iface/memory-backend.h>
#include <backplane/log.h>
#include <backplane/object.h>

typedef enum HugePages { HUGE_PAGES_DEFAULT, HUGE_PAGES_ON, HUGE_PAGES_OFF } HugePages;

typedef enum NumaPolicy { NUMA_DEFAULT, NUMA_PREFERRED, NUMA_BIND, NUMA_INTERLEAVE } NumaPolicy;

typedef struct MemBackend {
  /* properties */
  uint64_t size;
  bool share, prealloc, merge, dump;
  uint32_t prealloc_threads;
  int huge_pages;               /* HugePages */
  int policy;                   /* NumaPolicy */
  char **nodes;
  /* wiring */
  BpRegion *region;
  /* derived */
  int fd;                       /* -1: none */
  bool has_fd;                  /* fd is a descriptor (0 from the zeroed struct is not) */
  uint64_t offset;              /* in the file */
  bool is_tmpfs;
  bool has_contents;            /* of a file behind it, which is not empty memory */
  bool is_copy;                 /* private pages over a template's file: one that is given back shows the file's bytes, not zeros */
  uint8_t *host;
  void *reservation;            /* the mapping, its guard page, and what alignment cost */
  uint64_t reserved;
  uint64_t page_size;           /* the host's, or that of a pool of huge pages */
} MemBackend;

/* The rows of MemBackend, as the parent of each type.  `share` differs in its default: each type has its
 * own. */
extern const BpTypeDesc mem_backend_type;
#define MEM_BACKEND_SHARE(T, default_, help_) BP_PROP_BOOL ("share", T, base.share, default_, help_)

/* Maps base->size bytes of fd (-1: anonymous) at `offset`, applies the hints, allocates if asked, and
 * publishes the region "ram".  page_size: of the memory, which the size must be a multiple of. */
bool mem_backend_map (MemBackend *base, int fd, uint64_t offset, uint64_t page_size, GError **error);
/* Whether the size is a multiple of page_size. */
bool mem_backend_check_size (const MemBackend *base, uint64_t page_size, GError **error);
/* numa.c: whether policy and nodes make sense together and on this host; and the host told of them. */
bool mem_backend_check_numa (const MemBackend *base, GError **error);
bool mem_backend_apply_numa (const MemBackend *base, GError **error);
extern const char *const mem_backend_policies[];
/* room.c: bytes that the host could give this process now; UINT64_MAX: nobody says.  root: before /proc and /sys. */
uint64_t mem_backend_room (const char *root);
void mem_backend_unrealize (void *self);

extern const BpTypeDesc memory_anonymous_type, memory_file_type, memory_memfd_type;

#endif
