# backplane-build.m4 -- macros of this tree's own configure.ac.

# BACKPLANE_PLUGIN(NAME, DEFAULT yes|no|VARIABLE, WHAT): --disable-plugin-NAME, a conditional PLUGIN_NAME, a line of the summary.
AC_DEFUN([BACKPLANE_PLUGIN], [
  m4_pushdef([bp_var], [m4_translit([$1], [-], [_])])
  AC_ARG_ENABLE([plugin-$1], [AS_HELP_STRING([--disable-plugin-$1], [do not build $3])],
    [bp_plugin_]bp_var[=$enableval], [bp_plugin_]bp_var[=$2])
  AM_CONDITIONAL([PLUGIN_]m4_toupper(bp_var), [test "$bp_plugin_]bp_var[" = yes])
  BACKPLANE_PLUGIN_SUMMARY="$BACKPLANE_PLUGIN_SUMMARY    m4_format([%-16s], [$1]) $bp_plugin_[]bp_var
"
  m4_popdef([bp_var])
])

# BP_SANITIZER(OPTION, SANITIZER): --enable-OPTION compiles everything with -fsanitize=SANITIZER; what it finds ends the program.
AC_DEFUN([BP_SANITIZER], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [compile with -fsanitize=$2])], [], [enable_$1=no])
  AS_IF([test "$enable_$1" = yes], [SANITIZE_FLAGS="$SANITIZE_FLAGS -fsanitize=$2 -fno-sanitize-recover=$2 -fno-omit-frame-pointer"])
])

# BP_TSAN: --enable-tsan compiles everything with -fsanitize=thread.  What GLib does between threads is told by a header that comes before every source.
# Code that generated code calls may be left without a return, which ThreadSanitizer's own call stack would not survive: TSAN_CALLEE_FLAGS are for that.
AC_DEFUN([BP_TSAN], [
  AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [compile with -fsanitize=thread (gcc only)])], [], [enable_tsan=no])
  AS_IF([test "$enable_tsan" = yes], [
    SANITIZE_FLAGS="$SANITIZE_FLAGS -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan"
    TSAN_CALLEE_FLAGS="--param=tsan-instrument-func-entry-exit=0"
    TSAN_CPPFLAGS="-include `cd $srcdir && pwd`/tests/sanitizers/glib-tsan.h"])
  AC_SUBST([TSAN_CALLEE_FLAGS])
])
