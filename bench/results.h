// SPDX-License-Identifier: BSD-2-Clause
/* The figures of one run: kept, printed, compared with what is to be reached, written to files. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

enum scheme {
    SCHEME_LINEAR,
    SCHEME_ARRAY_2011,
    SCHEME_TREE_HINT,
    SCHEME_OURS,
    SCHEME_FLOOR,
    SCHEME_COUNT
};

/* Notes a median. case_name is a literal. */
void results_add(const char *case_name, unsigned ranges, enum scheme scheme, double ns);

/* A line per case and number of ranges, a column per scheme. */
void results_print(void);

/* The ratios that are to be reached, as measured, and whether they were. */
void results_print_reach(void);

/* A list of {case, ranges, scheme, ns}; and for gnuplot a block per case, its name in a
 * comment, of lines with the ranges and the ns of each scheme in the order above. False, with a
 * message, if a file cannot be written. */
bool results_write(const char *json_path, const char *plot_path);

/* The middle of count values, which it sorts. */
double median(double *values, size_t count);

#endif
