/* code-page.c -- code page 437 as Unicode, with the pictures that a PC shows for control characters, and as what ASCII has. */
/* SPDX-License-Identifier: MIT */
#include "code-page.h"

static const wchar_t unicode[] =
  L" ☺☻♥♦♣♠•◘○◙♂♀♪♫☼" L"►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
  L" !\"#$%&'()*+,-./" L"0123456789:;<=>?" L"@ABCDEFGHIJKLMNO" L"PQRSTUVWXYZ[\\]^_"
  L"`abcdefghijklmno" L"pqrstuvwxyz{|}~⌂"
  L"ÇüéâäàåçêëèïîìÄÅ" L"ÉæÆôöòûùÿÖÜ¢£¥₧ƒ" L"áíóúñÑªº¿⌐¬½¼¡«»"
  L"░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" L"└┴┬├─┼╞╟╚╔╩╦╠═╬╧" L"╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
  L"αßΓπΣσµτΦΘΩδ∞φε∩" L"≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

static const char ascii[] =
  " @@****o#o*mqdd*" "><|!PS-|^v><L-^v"
  " !\"#$%&'()*+,-./" "0123456789:;<=>?" "@ABCDEFGHIJKLMNO" "PQRSTUVWXYZ[\\]^_"
  "`abcdefghijklmno" "pqrstuvwxyz{|}~^"
  "CueaaaaceeeiiiAA" "EaAooouuyOUc$YPf" "aiounNao?--//!<>"
  "%%%|+++++" "+|+++++" "++++-++++++++=++" "+++++++++++##||#"
  "asGpSsmtPTOdope^" "=+><||/~o..vn2# ";

_Static_assert (sizeof unicode / sizeof unicode[0] == 257, "a page has 256 characters");
_Static_assert (sizeof ascii == 257, "a page has 256 characters");

wchar_t code_page_unicode (uint8_t character) { return unicode[character]; }
char code_page_ascii (uint8_t character) { return ascii[character]; }
