/* snapshot-objects.c -- x */
