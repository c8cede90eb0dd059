/* new.h -- a project for a plugin, made of templates. */
/* SPDX-License-Identifier: MIT */
/*
 * Templates are readable files in $BACKPLANE_TEMPLATES_PATH, else $datadir/backplane/templates: folders common, KIND and BUILD, whose files go into the project.
 * In their names NAME stands for the plugin's, and a first `dot-' for a dot; in their texts:
 *   @{name} egg-timer   @{c_name} egg_timer   @{C_NAME} EGG_TIMER   @{CName} EggTimer   @{licence}   @{author}   @{year}
 *   @{sources} @{headers}   the plugin's .c and .h, test and guest apart; may be empty
 */
#ifndef CORE_NEW_H
#define CORE_NEW_H

#include <glib.h>
#include <stdbool.h>

typedef struct NewProject {
  const char *name, *directory, *kind, *build, *licence, *author;
} NewProject;

/* The names of the files, sorted; NULL with error, and nothing is left behind. */
GPtrArray *new_project (const NewProject *p, GError **error);

#endif
