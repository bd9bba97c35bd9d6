/* Included by the compiler before every file (-include): calls that have no safe use do not compile. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll atof gets localtime gmtime asctime ctime

#endif
