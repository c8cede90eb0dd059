/* commands-screen.c -- screendump: what a screen shows, as a file. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/screen.h>
#include <string.h>

/* The named one, or the first; NULL with error. */
static void *
find_screen (Call *call, const char *name, GError **error)
{
  unsigned cursor = 0;
  if (name)
    return monitor_object (call, name, BP_SCREEN_ID, error);
  void *screen = bp_machine_next (call->monitor->machine, BP_SCREEN_ID, &cursor);
  return screen ? screen : monitor_fail (error, MONITOR_ERROR_GENERIC, "There is no console to take a screendump from");
}

static JsonNode *
screendump (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "filename"), *format = argument_string (arguments, "format");
  void *screen = find_screen (call, argument_string (arguments, "device"), error);
  const BpScreenIface *iface = screen ? bp_object_interface (screen, BP_SCREEN_ID) : NULL;
  if (!screen)
    return NULL;
  int64_t head = argument_int (arguments, "head", 0), last = (int64_t) bp_screen_heads (iface, screen) - 1;
  if (head < 0 || head > last)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, last ? "'%s' has heads 0 to %u" : "'%s' has one head, %u", bp_object_id (screen), (unsigned) last);
  BpScreenFrame frame = { .struct_size = sizeof frame };
  bp_machine_lock (call->monitor->machine);
  bp_screen_update (iface, screen, (uint32_t) head, &frame);
  bp_machine_unlock (call->monitor->machine);
  if (frame.width && frame.height && frame.pixels) {
    ScreenFile *file = screen_file_new (name, g_strcmp0 (format, "png") == 0, g_steal_pointer (&frame.pixels), frame.width, frame.height, error);
    call->job = file ? job_new (screen_file_step, screen_file_free, file) : NULL;
  } else {
    monitor_fail (error, MONITOR_ERROR_GENERIC, "'%s' shows no picture now", bp_object_id (screen));
  }
  bp_screen_frame_clear (&frame);
  return NULL;
}

static const char *const formats[] = { "png", "ppm", NULL };

const Command screen_commands[] = {
  BOTH ("screendump", "screendump", "write what the screen shows to a file; -f png or -f ppm (otherwise ppm)", screendump,
    .arguments = { ARGUMENT ("filename", FILE), OPTIONAL ("device", OBJECT), OPTIONAL ("head", INTEGER), OPTIONAL ("format", ENUM, .flag = 'f', .names = formats) }),
  COMMANDS_END
};
