# backplane.m4 -- finds an installed Backplane for a plugin's configure.ac; copy it into your m4/ folder, or let aclocal find the installed one.
# SPDX-License-Identifier: MIT
#
# BACKPLANE_CHECK_PLUGIN([MINIMUM-ABI], [ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
#
# Looks by pkg-config for a Backplane that loads plugins which need ABI MINIMUM-ABI (MAJOR.MINOR; 1.0 by default): the same major, and at least this minor.  A plugin that
# is compiled then loads in this and every later Backplane of the same major.  Without ACTION-IF-NOT-FOUND configure ends with a message that says what to do.
# Substitutes
#   BACKPLANE_CFLAGS, BACKPLANE_LIBS              what a plugin is compiled and linked with
#   BACKPLANE_ABI                                 the ABI that was found
#   BACKPLANE_PLUGIN_CFLAGS, BACKPLANE_PLUGIN_LDFLAGS    flags of a shared object of which only the plugin's entry is seen
#   BACKPLANE_PLUGINDIR                           where `make install` puts it: where Backplane looks, or --with-backplane-plugindir=DIR
#   BACKPLANE_MACHINESDIR                         the installed machines
#   BACKPLANE_TEST_CFLAGS, BACKPLANE_TEST_LIBS    for tests with libbackplane-test; automake's conditional BACKPLANE_HAVE_TEST says whether it is there
#   BACKPLANE                                     the program
# For one that is elsewhere set PKG_CONFIG_PATH; or, where pkg-config knows of none, BACKPLANE_CFLAGS, BACKPLANE_LIBS, BACKPLANE_ABI and BACKPLANE_PLUGINDIR, and
# BACKPLANE_TEST_CFLAGS and BACKPLANE_TEST_LIBS for the tests.

AC_DEFUN([BACKPLANE_CHECK_PLUGIN], [
  AC_REQUIRE([AC_PROG_CC])
  AC_REQUIRE([PKG_PROG_PKG_CONFIG])
  m4_pushdef([bp_minimum], m4_default_nblank([$1], [1.0]))
  m4_bmatch(bp_minimum, [^[0-9]+\.[0-9]+$], [], [m4_fatal([BACKPLANE_CHECK_PLUGIN: ]bp_minimum[ is no ABI, as 1.0 is])])
  AC_ARG_WITH([backplane-plugindir], [AS_HELP_STRING([--with-backplane-plugindir=DIR], [install the plugin there instead of where Backplane looks])], [],
    [with_backplane_plugindir=])
  bp_found=no
  PKG_CHECK_MODULES([BACKPLANE], [backplane], [bp_found=yes
    PKG_CHECK_VAR([BACKPLANE_PLUGINDIR], [backplane], [plugindir])
    PKG_CHECK_VAR([BACKPLANE_MACHINESDIR], [backplane], [machinesdir])
    PKG_CHECK_VAR([BACKPLANE_ABI], [backplane], [abi])], [bp_found=no])
  AS_IF([test "$bp_found" = no], [bp_why="no Backplane was found by $PKG_CONFIG: install it, or name its folder lib/pkgconfig in PKG_CONFIG_PATH"], [
    AC_MSG_CHECKING([for Backplane's ABI bp_minimum])
    bp_major=`echo bp_minimum | sed 's/\..*//'` bp_minor=`echo bp_minimum | sed 's/.*\.//'`
    bp_has_major=`echo "$BACKPLANE_ABI" | sed 's/\..*//'` bp_has_minor=`echo "$BACKPLANE_ABI" | sed 's/.*\.//'`
    AS_IF([test "$bp_has_major" = "$bp_major" && test "$bp_has_minor" -ge "$bp_minor" 2>/dev/null], [AC_MSG_RESULT([$BACKPLANE_ABI])], [
      AC_MSG_RESULT([no, $BACKPLANE_ABI])
      bp_found=no
      bp_why="the installed Backplane has ABI $BACKPLANE_ABI, and bp_minimum is needed"
      AS_IF([test -z "$BACKPLANE_ABI"], [bp_why="BACKPLANE_CFLAGS and BACKPLANE_LIBS are set, and BACKPLANE_ABI is not: which ABI have they?"])])])
  AS_IF([test -n "$with_backplane_plugindir" && test "$with_backplane_plugindir" != yes && test "$with_backplane_plugindir" != no], [BACKPLANE_PLUGINDIR=$with_backplane_plugindir])
  BACKPLANE_PLUGIN_CFLAGS="-fPIC -fvisibility=hidden"
  BACKPLANE_PLUGIN_LDFLAGS="-shared -Wl,-z,defs"
  AC_SUBST([BACKPLANE_PLUGINDIR])
  AC_SUBST([BACKPLANE_MACHINESDIR])
  AC_SUBST([BACKPLANE_PLUGIN_CFLAGS])
  AC_SUBST([BACKPLANE_PLUGIN_LDFLAGS])
  PKG_CHECK_MODULES([BACKPLANE_TEST], [backplane-test], [bp_have_test=yes], [bp_have_test=no])
  m4_ifdef([AM_CONDITIONAL], [AM_CONDITIONAL([BACKPLANE_HAVE_TEST], [test "$bp_have_test" = yes])])
  AC_ARG_VAR([BACKPLANE], [the program backplane])
  AC_PATH_PROG([BACKPLANE], [backplane], [backplane])
  m4_popdef([bp_minimum])
  AS_IF([test "$bp_found" = yes], [m4_default([$2], [:])], [m4_default([$3], [AC_MSG_ERROR([$bp_why])])])
])
