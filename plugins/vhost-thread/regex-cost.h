/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGEX_COST_H
#define REGEX_COST_H

/*
 * Why an extended regular expression may cost too much, or NULL. glibc's regcomp(3) writes out what is repeated, repetitions within repetitions too, and its regexec(3)
 * tries all ways with back-references: both take hours for some expressions of 50 bytes. What is let through takes time and memory in proportion to its length.
 * An expression that is none is left for regcomp() to find.
 */
const char *regex_too_costly(const char *regex);

#endif
