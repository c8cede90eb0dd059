/* tcg-profile-svg.c -- a flame graph: each function a bar over its caller's, as wide as the samples that it was in. */
/* SPDX-License-Identifier: MIT */
#include "tcg-profile-tree.h"
#include <string.h>

#define WIDTH 1200.0
#define MARGIN 10.0
#define ROW 17.0
#define HEAD 44.0
#define LETTER 6.6              /* width of one, about */
#define NARROWEST 0.25          /* narrower bars nobody sees */

typedef struct Drawing {
  const Tree *tree;
  GString *out;
  double bottom;                /* of the lowest row */
  double scale;                 /* width of a sample */
} Drawing;

static unsigned
depth_of (const TreeNode *n)
{
  unsigned deepest = 0;
  for (guint i = 0; n->children && i < n->children->len; i++)
    deepest = MAX (deepest, depth_of (g_ptr_array_index (n->children, i)));
  return deepest + 1;
}

/* The same name has the same colour in every picture: kernel code is blue, user code yellow to red. */
static void
print_colour (GString *out, const TreeNode *n)
{
  unsigned h = g_str_hash (n->name);
  if (!n->parent)
    g_string_append (out, "#dddddd");
  else if (n->is_user)
    g_string_append_printf (out, "#%02x%02x%02x", 225 + h % 30, 120 + h / 32 % 110, 50 + h / 4096 % 40);
  else
    g_string_append_printf (out, "#%02x%02x%02x", 110 + h % 60, 160 + h / 64 % 50, 215 + h / 4096 % 38);
}

static void
append_escaped (GString *out, const char *text, gssize size)
{
  g_autofree char *valid = g_utf8_make_valid (text, size);
  g_autofree char *escaped = g_markup_escape_text (valid, -1);
  g_string_append (out, escaped);
}

/* Numbers in a form that no locale changes. */
static void
append_number (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append (out, g_ascii_formatd (text, sizeof text, "%.2f", value));
}

static void
draw_bar (Drawing *d, const TreeNode *n, double x, double y, double width)
{
  g_string_append (d->out, "<g><title>");
  append_escaped (d->out, n->name, -1);
  g_string_append_printf (d->out, " (%" G_GUINT64_FORMAT " samples, ", n->total);
  append_number (d->out, 100.0 * (double) n->total / (double) d->tree->samples);
  g_string_append (d->out, "%)</title><rect x=\"");
  append_number (d->out, x);
  g_string_append (d->out, "\" y=\"");
  append_number (d->out, y);
  g_string_append (d->out, "\" width=\"");
  append_number (d->out, width);
  g_string_append (d->out, "\" height=\"16\" fill=\"");
  print_colour (d->out, n);
  g_string_append (d->out, "\"/>");
  size_t letters = width > 3 * LETTER + 6 ? (size_t) ((width - 6) / LETTER) : 0, length = strlen (n->name);
  if (letters > 0) {
    g_string_append (d->out, "<text x=\"");
    append_number (d->out, x + 3);
    g_string_append (d->out, "\" y=\"");
    append_number (d->out, y + 12);
    g_string_append (d->out, "\">");
    append_escaped (d->out, n->name, (gssize) (length <= letters ? length : letters - 2));
    g_string_append (d->out, length <= letters ? "</text>" : "..</text>");
  }
  g_string_append (d->out, "</g>\n");
}

static void
draw_node (Drawing *d, const TreeNode *n, double x, unsigned depth)
{
  double width = (double) n->total * d->scale;
  if (width < NARROWEST)
    return;
  draw_bar (d, n, x, d->bottom - ROW * depth, width);
  x += (double) n->self * d->scale;
  for (guint i = 0; n->children && i < n->children->len; i++) {
    const TreeNode *child = g_ptr_array_index (n->children, i);
    draw_node (d, child, x, depth + 1);
    x += (double) child->total * d->scale;
  }
}

void
tree_print_svg (const Tree *t, const char *title, GString *out)
{
  unsigned rows = depth_of (&t->root);
  double height = HEAD + ROW * rows + MARGIN;
  Drawing d = { .tree = t, .out = out, .bottom = height - MARGIN - ROW, .scale = t->samples ? (WIDTH - 2 * MARGIN) / (double) t->samples : 0 };
  g_string_append_printf (out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n", WIDTH, height, WIDTH,
                          height);
  g_string_append (out, "<style>text{font:11px monospace;fill:#000;pointer-events:none}g:hover rect{stroke:#000;stroke-width:1}.title{font-size:15px}</style>\n"
                        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text class=\"title\" x=\"10\" y=\"22\">");
  append_escaped (out, title, -1);
  g_string_append_printf (out, "</text>\n<text x=\"10\" y=\"38\">%" G_GUINT64_FORMAT " samples; kernel blue, user programs yellow</text>\n", t->samples);
  if (t->samples)
    draw_node (&d, &t->root, MARGIN, 0);
  g_string_append (out, "</svg>\n");
}
