/* compare.c -- compare OURS.ppm QEMU.ppm: whether two pictures are the same up to how colours of five and six bits become eight. */
/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Picture { unsigned width, height; uint8_t *rgb; } Picture;

static int
read_picture (const char *name, Picture *p)
{
  FILE *f = fopen (name, "rb");
  int fine = f && fscanf (f, "P6 %u %u 255", &p->width, &p->height) == 2 && fgetc (f) == '\n';
  size_t size = fine ? (size_t) p->width * p->height * 3 : 0;
  p->rgb = malloc (size + 1);
  fine = fine && fread (p->rgb, 1, size, f) == size;
  if (f)
    fclose (f);
  if (!fine)
    printf ("%s is not a picture\n", name);
  return fine;
}

/* Six bits: QEMU repeats the lowest; five: there are none but zeros. */
static int same (uint8_t ours, uint8_t qemu) { return ((ours ^ qemu) & 0xfc) == 0 || qemu == (ours & 0xf8); }

static int
compare (const Picture *p, const Picture *q)
{
  const Picture a = *p, b = *q;
  size_t different = 0, first = 0;
  if (a.width != b.width || a.height != b.height) {
    printf ("%ux%u and %ux%u\n", a.width, a.height, b.width, b.height);
    return 1;
  }
  for (size_t i = (size_t) a.width * a.height * 3; i-- > 0;)
    if (!same (a.rgb[i], b.rgb[i])) {
      different++;
      first = i / 3;
    }
  if (different)
    printf ("%ux%u: %zu of %zu bytes differ, the first at %zu,%zu: %02x%02x%02x and %02x%02x%02x\n", a.width, a.height, different, (size_t) a.width * a.height * 3,
            first % a.width, first / a.width, a.rgb[3 * first], a.rgb[3 * first + 1], a.rgb[3 * first + 2], b.rgb[3 * first], b.rgb[3 * first + 1], b.rgb[3 * first + 2]);
  return different != 0;
}

int
main (int argc, char **argv)
{
  Picture a = { 0 }, b = { 0 };
  int status = argc == 3 && read_picture (argv[1], &a) && read_picture (argv[2], &b) ? compare (&a, &b) : 2;
  free (a.rgb);
  free (b.rgb);
  return status;
}
