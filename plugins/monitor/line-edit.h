/* line-edit.h -- a line that is typed at a terminal in raw mode: editing, history, completion. */
/* SPDX-License-Identifier: MIT */
/* Bytes go in as a terminal sends them; what has to be shown comes out, for a terminal with ANSI's cursor movements.  Knows nothing of commands. */
#ifndef MONITOR_LINE_EDIT_H
#define MONITOR_LINE_EDIT_H

#include <glib.h>
#include <stdbool.h>

#define LINE_MOST 4096          /* bytes of a line */
#define LINE_HISTORY 200

typedef struct LineEdit LineEdit;

typedef struct LineClient {
  void (*write) (void *user, const char *bytes, size_t size);
  /* A line was entered.  The next prompt is line_edit_prompt's to show. */
  void (*entered) (void *user, const char *line);
  /* Ctrl-D on an empty line. */
  void (*left) (void *user);
  /* What the last word of `text' (the line up to the cursor) may become: whole words, each a char *; *start is where that word begins.  The caller
   * frees with g_ptr_array_unref; NULL: nothing. */
  GPtrArray *(*complete) (void *user, const char *text, size_t *start);
} LineClient;

LineEdit *line_edit_new (const LineClient *client, void *user, const char *prompt);
void line_edit_free (LineEdit *edit);
/* Returns how many bytes were used: fewer than there are when a line was entered, for what follows is for later. */
size_t line_edit_input (LineEdit *edit, const char *bytes, size_t size);
/* Shows the prompt and what there is of a line. */
void line_edit_prompt (LineEdit *edit);
const char *line_edit_text (const LineEdit *edit);

#endif
