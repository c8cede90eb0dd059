/* plugin.h -- the types of this plugin. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <backplane/object.h>

extern const BpTypeDesc controller_type, echo_type;

#endif
