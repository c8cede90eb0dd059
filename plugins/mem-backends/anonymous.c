/* anonymous.c -- memory-anonymous: RAM from the host's anonymous memory. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <unistd.h>

typedef struct Anonymous {
  MemBackend base;
} Anonymous;

static bool
configure (void *self, GError **error)
{
  Anonymous *a = self;
  return mem_backend_map (&a->base, -1, 0, (uint64_t) sysconf (_SC_PAGESIZE), error);
}

static const BpProperty properties[] = {
  MEM_BACKEND_SHARE (Anonymous, false,
                     "Keep the memory shared when the process forks, rather than copied on write."),
  BP_PROP_END
};

const BpTypeDesc memory_anonymous_type = {
  BP_TYPE ("memory-anonymous", BP_KIND_MEMORY, Anonymous),
  .description = "RAM from the host's anonymous memory",
  .parent = &mem_backend_type,
  .properties = properties,
  .configure = configure,
  .unrealize = mem_backend_unrealize,
  .flags = BP_TYPE_HOT_PLUG,
};
