/* report-svg.c -- plots as SVG: lines over axes, bars with their names; colours are the page's. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"
#include <math.h>

#define WIDTH 760
#define HEIGHT 300
#define TOP 10
#define BOTTOM 46               /* the x axis's numbers and title */
#define RIGHT 18
#define LARGEST 1e300           /* so that ranges are numbers */
#define LETTER 7                /* about what a character takes */
#define MANY 1200               /* points that are drawn as they are */
#define MANY_HINTS 150          /* points of a series that tell their numbers */
#define FEW 60                  /* points that are marked */
#define COLOURS 8
#define FEW_BARS 40             /* that lie under each other, each with its name */
#define BAR_PITCH 24
#define NAME_LETTERS 30

/* --- axes --------------------------------------------------------------------------------- */

typedef struct Axis {
  double least, most, step;     /* the ends are multiples of the step */
  double unit;                  /* numbers are told in it: 1000 */
  const char *suffix;           /* "k" */
  int decimals;
} Axis;

/* 1, 2 or 5 times a power of ten, so that there are about n steps. */
static double
nice_step (double range, int n)
{
  double rough = range / n, power = pow (10, floor (log10 (rough))), digit = rough / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void
choose_unit (Axis *a)
{
  static const struct { double unit; const char *suffix; } units[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } };
  double size = fmax (fabs (a->least), fabs (a->most));
  a->unit = 1;
  a->suffix = "";
  for (guint i = 0; i < G_N_ELEMENTS (units) && a->unit == 1; i++)
    if (size >= 10 * units[i].unit || (size >= units[i].unit && units[i].unit > 1e3)) {
      a->unit = units[i].unit;
      a->suffix = units[i].suffix;
    }
  a->decimals = CLAMP ((int) -floor (log10 (a->step / a->unit) + 1e-9), 0, 9);
}

/* tight: 0 is no more than any other number; the ends are the data's. */
static Axis
axis_new (double least, double most, int n, bool tight)
{
  Axis a;
  if (!(least <= most))
    least = most = 0;
  least = fmax (least, -LARGEST);
  most = fmin (most, LARGEST);
  if (!tight && least > 0 && most - least > 0.3 * most)
    least = 0;
  if (most - least < 1e-12 * fmax (fabs (most), 1)) {   /* one number: some room around it */
    double room = most == 0 ? 1 : fabs (most) / 2;
    least = least >= 0 ? fmax (0, least - room) : least - room;
    most += room;
  }
  a.step = nice_step (most - least, n);
  a.least = tight ? least : floor (least / a.step + 1e-9) * a.step;
  a.most = tight ? most : ceil (most / a.step - 1e-9) * a.step;
  choose_unit (&a);
  return a;
}

static char *
tick_text (const Axis *a, double value)
{
  double shown = value / a->unit, size = fmax (fabs (a->least), fabs (a->most)) / a->unit;
  if (size >= 1e6 || a->step / a->unit < 1e-6)
    return g_strdup_printf ("%.4g%s", shown, a->suffix);
  return g_strdup_printf ("%.*f%s", a->decimals, fabs (shown) < 1e-9 ? 0 : shown, shown == 0 ? "" : a->suffix);
}

static double
first_tick (const Axis *a)
{
  return ceil (a->least / a->step - 1e-9) * a->step;
}

static bool
has_tick (const Axis *a, double tick)
{
  return tick <= a->most + a->step * 1e-6;
}

static guint
widest_tick (const Axis *a)
{
  guint width = 0;
  for (double tick = first_tick (a); has_tick (a, tick); tick += a->step) {
    g_autofree char *text = tick_text (a, tick);
    width = MAX (width, (guint) g_utf8_strlen (text, -1));
  }
  return width;
}

/* --- the frame ---------------------------------------------------------------------------- */

typedef struct Frame {
  GString *out;
  double left, right, top, bottom;      /* of the plot itself */
  Axis x, y;
} Frame;

static double
to_x (const Frame *f, double x)
{
  return f->left + (x - f->x.least) / (f->x.most - f->x.least) * (f->right - f->left);
}

static double
to_y (const Frame *f, double y)
{
  return f->bottom - (y - f->y.least) / (f->y.most - f->y.least) * (f->bottom - f->top);
}

static void
text_at (GString *out, double x, double y, const char *anchor, const char *more, const char *text)
{
  g_string_append_printf (out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor, more);
  append_escaped (out, text);
  g_string_append (out, "</text>\n");
}

static void
line_at (GString *out, const char *class_name, double x1, double y1, double x2, double y2)
{
  g_string_append_printf (out, "<line class=%s x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class_name, x1, y1, x2, y2);
}

static void
draw_y_axis (const Frame *f, const char *title)
{
  for (double tick = first_tick (&f->y); has_tick (&f->y, tick); tick += f->y.step) {
    g_autofree char *text = tick_text (&f->y, tick);
    double y = to_y (f, tick);
    line_at (f->out, "grid", f->left, y, f->right, y);
    text_at (f->out, f->left - 8, y + 4, "end", "", text);
  }
  g_autofree char *turned = g_strdup_printf (" transform=\"rotate(-90 14 %.1f)\"", (f->top + f->bottom) / 2);
  if (*title)
    text_at (f->out, 14, (f->top + f->bottom) / 2, "middle", turned, title);
}

static void
draw_x_axis (const Frame *f, const char *title, bool grid)
{
  for (double tick = first_tick (&f->x); has_tick (&f->x, tick); tick += f->x.step) {
    g_autofree char *text = tick_text (&f->x, tick);
    double x = to_x (f, tick);
    line_at (f->out, grid ? "grid" : "axis", x, grid ? f->top : f->bottom, x, f->bottom + (grid ? 0 : 5));
    text_at (f->out, x, f->bottom + 19, "middle", "", text);
  }
  if (*title)
    text_at (f->out, (f->left + f->right) / 2, f->bottom + 38, "middle", "", title);
}

static void
open_svg (GString *out, double height, const char *title)
{
  g_string_append_printf (out, "<div class=plot><svg viewBox=\"0 0 %d %.0f\" role=img aria-label=\"", WIDTH, height);
  append_escaped (out, title);
  g_string_append (out, "\">\n");
}

/* --- lines -------------------------------------------------------------------------------- */

/* Points that are numbers, as coordinates of the picture. */
typedef struct Pen {
  const Frame *frame;
  const Series *series;
  bool is_down;
} Pen;

static void
pen_to (Pen *pen, guint i)
{
  double x = series_x (pen->series, i), y = series_y (pen->series, i);
  if (!isfinite (x) || !isfinite (y)) {
    pen->is_down = false;
    return;
  }
  g_string_append_printf (pen->frame->out, "%c%.1f %.1f", pen->is_down ? 'L' : 'M', to_x (pen->frame, x), to_y (pen->frame, y));
  pen->is_down = true;
}

/* Of the points [from, to), which share a column of the picture: the first, the least, the most and the last, in their order. */
static void
pen_column (Pen *pen, guint from, guint to)
{
  guint least = from, most = from;
  for (guint i = from; i < to; i++) {
    if (!(series_y (pen->series, i) >= series_y (pen->series, least)))
      least = i;
    if (!(series_y (pen->series, i) <= series_y (pen->series, most)))
      most = i;
  }
  guint kept[4] = { from, MIN (least, most), MAX (least, most), to - 1 };
  for (guint i = 0; i < 4; i++)
    if (i == 0 || kept[i] != kept[i - 1])
      pen_to (pen, kept[i]);
}

static void
draw_path (const Frame *f, const Series *s, guint colour)
{
  Pen pen = { f, s, false };
  guint n = series_n (s);
  const char *dashes = colour >= COLOURS ? " stroke-dasharray=\"6 4\"" : "";
  g_string_append_printf (f->out, "<path class=line style=\"stroke:var(--c%u)\"%s d=\"", colour % COLOURS, dashes);
  for (guint from = 0, to; from < n; from = to) {
    for (to = from + 1; n > MANY && to < n && floor (to_x (f, series_x (s, to))) == floor (to_x (f, series_x (s, from)));)
      to++;
    pen_column (&pen, from, to);
  }
  g_string_append (f->out, "\"/>\n");
}

static void
draw_hints (const Frame *f, const Series *s, guint colour, const BpReportPlot *plot)
{
  guint n = series_n (s), stride = 1 + n / MANY_HINTS;
  g_string_append_printf (f->out, "<g style=\"color:var(--c%u);fill:currentColor\">\n", colour % COLOURS);
  for (guint i = 0; i < n; i += stride) {
    double x = series_x (s, i), y = series_y (s, i);
    if (!isfinite (x) || !isfinite (y))
      continue;
    g_autofree char *x_text = number_for_people (x), *y_text = number_for_people (y);
    g_autofree char *hint = g_strdup_printf ("%s\n%s: %s\n%s: %s", s->name, *plot->x_title ? plot->x_title : "x", x_text, *plot->y_title ? plot->y_title : "y", y_text);
    if (n <= FEW)
      g_string_append_printf (f->out, "<circle class=dot cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", to_x (f, x), to_y (f, y));
    g_string_append_printf (f->out, "<circle class=hit cx=\"%.1f\" cy=\"%.1f\" r=\"6\"><title>", to_x (f, x), to_y (f, y));
    append_escaped (f->out, hint);
    g_string_append (f->out, "</title></circle>\n");
  }
  g_string_append (f->out, "</g>\n");
}

static void
draw_legend (GString *out, const BpReportPlot *plot)
{
  g_string_append (out, "<ul class=legend>\n");
  for (guint i = 0; i < plot->series->len; i++) {
    const Series *s = plot->series->pdata[i];
    g_string_append_printf (out, "<li><svg viewBox=\"0 0 22 10\" aria-hidden=true><path d=\"M1 5H21\" style=\"stroke:var(--c%u);stroke-width:3\"%s/></svg>", i % COLOURS,
                            i >= COLOURS ? " stroke-dasharray=\"6 4\"" : "");
    append_escaped (out, s->name);
    g_string_append (out, "</li>\n");
  }
  g_string_append (out, "</ul>\n");
}

static void
widen (double value, double *least, double *most)
{
  if (isfinite (value)) {
    *least = fmin (*least, value);
    *most = fmax (*most, value);
  }
}

static void
lines_svg (const BpReportPlot *plot, const char *title, GString *out)
{
  double least[2] = { INFINITY, INFINITY }, most[2] = { -INFINITY, -INFINITY };
  for (guint i = 0; i < plot->series->len; i++) {
    const Series *s = plot->series->pdata[i];
    for (guint j = 0; j < series_n (s); j++) {
      widen (series_x (s, j), &least[0], &most[0]);
      widen (series_y (s, j), &least[1], &most[1]);
    }
  }
  Frame f = { .out = out, .top = TOP, .bottom = HEIGHT - BOTTOM, .right = WIDTH - RIGHT };
  f.x = axis_new (least[0], most[0], 8, true);
  f.y = axis_new (least[1], most[1], 5, false);
  f.left = (*plot->y_title ? 34 : 16) + LETTER * widest_tick (&f.y);
  if (plot->series->len > 1 || *((const Series *) plot->series->pdata[0])->name)
    draw_legend (out, plot);
  open_svg (out, HEIGHT, title);
  draw_y_axis (&f, plot->y_title);
  draw_x_axis (&f, plot->x_title, false);
  line_at (out, "axis", f.left, f.bottom, f.right, f.bottom);
  for (guint i = 0; i < plot->series->len; i++)
    draw_path (&f, plot->series->pdata[i], i);
  for (guint i = 0; i < plot->series->len; i++)
    draw_hints (&f, plot->series->pdata[i], i, plot);
  g_string_append (out, "</svg></div>\n");
}

/* --- bars --------------------------------------------------------------------------------- */

static double
bar_value (const BpReportPlot *plot, guint i)
{
  double value = g_array_index (plot->values, double, i);
  return isfinite (value) ? value : 0;
}

static void
append_bar (GString *out, const BpReportPlot *plot, guint i, double x, double y, double width, double height)
{
  g_autofree char *text = number_for_people (g_array_index (plot->values, double, i));
  g_string_append_printf (out, "<rect class=bar x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" style=\"fill:var(--c0)\"><title>", x, y, width, height);
  append_escaped (out, plot->labels->pdata[i]);
  g_string_append_printf (out, ": %s</title></rect>\n", text);
}

/* At most so many characters. */
static char *
shortened (const char *text, glong width)
{
  if (g_utf8_strlen (text, -1) <= width)
    return g_strdup (text);
  g_autofree char *kept = g_utf8_substring (text, 0, width - 1);
  return g_strconcat (kept, "\xe2\x80\xa6", NULL);
}

static Axis
bars_axis (const BpReportPlot *plot, int n)
{
  double least = 0, most = 0;
  for (guint i = 0; i < plot->labels->len; i++)
    widen (bar_value (plot, i), &least, &most);
  return axis_new (least, most, n, false);
}

/* Names at the left, numbers at the bars' ends. */
static void
lying_bars (const BpReportPlot *plot, const char *title, GString *out)
{
  guint n = plot->labels->len, longest = 0;
  for (guint i = 0; i < n; i++)
    longest = MAX (longest, (guint) g_utf8_strlen (plot->labels->pdata[i], -1));
  Frame f = { .out = out, .top = TOP + (*plot->x_title ? 16 : 0), .right = WIDTH - 74 };
  f.bottom = f.top + n * BAR_PITCH;
  f.left = 12 + LETTER * MIN (longest, NAME_LETTERS);
  f.x = bars_axis (plot, 6);
  open_svg (out, f.bottom + BOTTOM, title);
  if (*plot->x_title)
    text_at (out, f.left - 8, TOP + 6, "end", "", plot->x_title);
  draw_x_axis (&f, plot->y_title, true);
  for (guint i = 0; i < n; i++) {
    double value = bar_value (plot, i), from = to_x (&f, fmin (value, 0)), to = to_x (&f, fmax (value, 0)), y = f.top + i * BAR_PITCH;
    g_autofree char *name = shortened (plot->labels->pdata[i], NAME_LETTERS), *text = number_for_people (g_array_index (plot->values, double, i));
    append_bar (out, plot, i, from, y + 4, fmax (to - from, 1), BAR_PITCH - 8);
    text_at (out, f.left - 8, y + BAR_PITCH / 2 + 4.5, "end", " class=v", name);
    text_at (out, to + 6, y + BAR_PITCH / 2 + 4.5, "start", "", text);
  }
  line_at (out, "axis", to_x (&f, 0), f.top, to_x (&f, 0), f.bottom);
  g_string_append (out, "</svg></div>\n");
}

/* 1, 2, 5, 10, 20 ...: not less than `least'. */
static guint
round_step (double least)
{
  static const guint digits[] = { 1, 2, 5 };
  for (guint power = 1; power < 1000000; power *= 10)
    for (guint i = 0; i < G_N_ELEMENTS (digits); i++)
      if (power * digits[i] >= least)
        return power * digits[i];
  return G_MAXINT;
}

/* A histogram: every so many columns one has its name below. */
static void
standing_bars (const BpReportPlot *plot, const char *title, GString *out)
{
  guint n = plot->labels->len, longest = 1;
  for (guint i = 0; i < n; i++)
    longest = MAX (longest, (guint) g_utf8_strlen (plot->labels->pdata[i], -1));
  Frame f = { .out = out, .top = TOP, .bottom = HEIGHT - BOTTOM, .right = WIDTH - RIGHT };
  f.y = bars_axis (plot, 5);
  f.left = (*plot->y_title ? 34 : 16) + LETTER * widest_tick (&f.y);
  double pitch = (f.right - f.left) / n;
  guint every = round_step ((MIN (longest, 12) + 2) * LETTER / pitch);
  open_svg (out, HEIGHT, title);
  draw_y_axis (&f, plot->y_title);
  for (guint i = 0; i < n; i++) {
    double value = bar_value (plot, i), from = to_y (&f, fmin (value, 0)), to = to_y (&f, fmax (value, 0)), x = f.left + i * pitch;
    append_bar (out, plot, i, x + 0.08 * pitch, to, 0.84 * pitch, fmax (from - to, 0.6));
    if (i % every == 0) {
      g_autofree char *name = shortened (plot->labels->pdata[i], 12);
      text_at (out, x + pitch / 2, f.bottom + 19, "middle", "", name);
    }
  }
  line_at (out, "axis", f.left, to_y (&f, 0), f.right, to_y (&f, 0));
  if (*plot->x_title)
    text_at (out, (f.left + f.right) / 2, f.bottom + 38, "middle", "", plot->x_title);
  g_string_append (out, "</svg></div>\n");
}

void
plot_svg (const BpReportPlot *plot, const char *title, GString *out)
{
  g_string_append (out, "<figure><figcaption>");
  append_escaped (out, title);
  g_string_append (out, "</figcaption>\n");
  if (plot->kind == BP_PLOT_LINES)
    lines_svg (plot, title, out);
  else if (plot->labels->len <= FEW_BARS)
    lying_bars (plot, title, out);
  else
    standing_bars (plot, title, out);
  g_string_append (out, "</figure>\n");
}
