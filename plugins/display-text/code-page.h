/* code-page.h -- code page 437, the characters of a PC's text screen. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_CODE_PAGE_H
#define DISPLAY_TEXT_CODE_PAGE_H

#include <stdint.h>
#include <wchar.h>

wchar_t code_page_unicode (uint8_t character);
char code_page_ascii (uint8_t character);       /* what looks most like it */

#endif
