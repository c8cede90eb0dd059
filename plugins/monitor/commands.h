/* commands.h -- the tables of commands, one a file, and what those files keep in a Monitor. */
/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_COMMANDS_H
#define MONITOR_COMMANDS_H

#include "monitor.h"

/* Each ends with a row without names. */
extern const Command machine_commands[], balloon_commands[], cpu_commands[], memory_commands[], block_commands[], net_commands[], screen_commands[], input_commands[], object_commands[], hotplug_commands[],
  paging_commands[], snapshot_commands[], migrate_commands[], instrument_commands[], help_commands[];

/* commands-hotplug.c */
/* Of devices that hold memory: what the guest has of it, and *behind: what the backends have. */
uint64_t hotplug_memory_size (Monitor *monitor, uint64_t *behind);
/* events of objects that came and went */
void hotplug_added (Monitor *monitor, const char *id);
void hotplug_removed (Monitor *monitor, const char *id);
void hotplug_refused (Monitor *monitor, const char *detail);

/* commands-balloon.c */
void balloon_init (Monitor *monitor);
void balloon_finish (Monitor *monitor);

/* commands-block.c */
void trays_init (Monitor *monitor);
void trays_finish (Monitor *monitor);

/* commands-migrate.c: MIGRATION events */
void migration_events_init (Monitor *monitor);
void migration_events_finish (Monitor *monitor);

/* commands-input.c */
void keys_init (Monitor *monitor, void *self);
void keys_finish (Monitor *monitor);
/* The machine goes on, perhaps at another time than it stopped at: a snapshot was loaded. */
void keys_resume (Monitor *monitor);

#endif
