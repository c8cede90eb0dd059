/* room.c -- how much memory the host can still give this process: what is available, and the limits of its control groups. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <string.h>

#define NO_LIMIT UINT64_MAX

/* The kernel's two versions of control groups (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). */
typedef struct Version {
  const char *line;             /* of /proc/self/cgroup: what its path comes behind */
  const char *mount, *limit, *usage;
  const char *caches[2];        /* rows of memory.stat: what files have in memory goes when programs need it */
} Version;

static const Version versions[] = {
  { "0::", "/sys/fs/cgroup", "memory.max", "memory.current", { "inactive_file", "active_file" } },
  { ":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", { "total_inactive_file", "total_active_file" } },
};

/* The number behind `name' at the start of a line; `otherwise': there is none. */
static uint64_t
row (const char *text, const char *name, uint64_t otherwise)
{
  size_t n = strlen (name);
  for (const char *line = text; line && *line; line = strchr (line, '\n'), line += line != NULL)
    if (strncmp (line, name, n) == 0 && (line[n] == ':' || line[n] == ' '))
      return g_ascii_strtoull (line + n + 1, NULL, 10);
  return otherwise;
}

static char *
read_text (const char *root, const char *folder, const char *name)
{
  g_autofree char *path = g_strconcat (root, folder, "/", name, NULL);
  char *text = NULL;
  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

static uint64_t
room_of_group (const char *root, const Version *v, const char *group)
{
  g_autofree char *folder = g_strconcat (v->mount, group, NULL), *limit = read_text (root, folder, v->limit), *usage = read_text (root, folder, v->usage),
                  *stat = read_text (root, folder, "memory.stat");
  if (!limit || !usage || !g_ascii_isdigit (*limit))    /* "max" */
    return NO_LIMIT;
  uint64_t most = g_ascii_strtoull (limit, NULL, 10), used = g_ascii_strtoull (usage, NULL, 10), cached = row (stat, v->caches[0], 0) + row (stat, v->caches[1], 0);
  used -= MIN (used, cached);
  return most - MIN (most, used);
}

/* Of the group and all above it.  Where a container does not see those, the mount's root is its own. */
static uint64_t
room_of_groups (const char *root, const Version *v, const char *lines)
{
  const char *at = lines ? strstr (lines, v->line) : NULL;
  if (!at)
    return NO_LIMIT;
  at += strlen (v->line);
  g_autofree char *group = g_strndup (at, strcspn (at, "\n"));
  uint64_t room = NO_LIMIT;
  for (char *slash; (slash = strrchr (group, '/')); *slash = 0)
    room = MIN (room, room_of_group (root, v, group));
  return MIN (room, room_of_group (root, v, ""));
}

uint64_t
mem_backend_room (const char *root)
{
  g_autofree char *memory = read_text (root, "/proc", "meminfo"), *groups = read_text (root, "/proc/self", "cgroup");
  uint64_t available = row (memory, "MemAvailable", NO_LIMIT), room = available == NO_LIMIT ? NO_LIMIT : (available + row (memory, "SwapFree", 0)) << 10;
  for (unsigned i = 0; i < G_N_ELEMENTS (versions); i++)
    room = MIN (room, room_of_groups (root, &versions[i], groups));
  return room;
}
