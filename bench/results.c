// SPDX-License-Identifier: BSD-2-Clause
#include "bench/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const scheme_names[SCHEME_COUNT] = {
    [SCHEME_LINEAR] = "linear",       [SCHEME_ARRAY_2011] = "array-2011",
    [SCHEME_TREE_HINT] = "tree-hint", [SCHEME_OURS] = "ours",
    [SCHEME_FLOOR] = "floor",
};

/* ns[scheme] is 0 where nothing was measured. */
static struct row {
    const char *case_name;
    unsigned ranges;
    double ns[SCHEME_COUNT];
} rows[128];
static size_t row_count;

static double ns_of(const char *case_name, unsigned ranges, enum scheme scheme)
{
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].case_name, case_name) == 0 && rows[i].ranges == ranges)
            return rows[i].ns[scheme];
    }
    return 0;
}

void results_add(const char *case_name, unsigned ranges, enum scheme scheme, double ns)
{
    struct row *row = NULL;

    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].case_name, case_name) == 0 && rows[i].ranges == ranges)
            row = &rows[i];
    }
    if (row == NULL) {
        if (row_count == sizeof(rows) / sizeof(rows[0]))
            abort();
        row = &rows[row_count++];
        row->case_name = case_name;
        row->ranges = ranges;
    }
    row->ns[scheme] = ns;
}

void results_print(void)
{
    printf("\nns per access; of register-*, per range\n%-20s %7s", "case", "ranges");
    for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++)
        printf(" %11s", scheme_names[scheme]);
    printf("\n");
    for (size_t i = 0; i < row_count; i++) {
        printf("%-20s %7u", rows[i].case_name, rows[i].ranges);
        for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++) {
            if (rows[i].ns[scheme] == 0)
                printf(" %11s", "-");
            else
                printf(" %11.2f", rows[i].ns[scheme]);
        }
        printf("\n");
    }
}

static const struct reach {
    const char *case_name;
    unsigned ranges;
    double faster_than_2011; /* at least; 0: no such demand */
    double times_floor;      /* at most */
} reaches[] = {
    {"port-random", 200, 15, 1.5}, {"port-random", 1000, 15, 1.5},
    {"mmio-random", 200, 4, 5},    {"mmio-random", 1000, 4, 5},
    {"port-same", 200, 2, 1.3},    {"port-same", 1000, 2, 1.3},
    {"mmio-same", 200, 2, 1.3},    {"mmio-same", 1000, 2, 1.3},
    {"one-address", 200, 30, 6},   {"reader-under-writer", 200, 0, 1.05},
};

static const char *verdict(bool is_reached)
{
    return is_reached ? "reached" : "NOT REACHED";
}

void results_print_reach(void)
{
    printf("\n%-20s %7s  %-40s %s\n", "case", "ranges", "faster than the 2011 scheme",
           "times the floor");
    for (size_t i = 0; i < sizeof(reaches) / sizeof(reaches[0]); i++) {
        const struct reach *reach = &reaches[i];
        double ours = ns_of(reach->case_name, reach->ranges, SCHEME_OURS);
        double faster = ns_of(reach->case_name, reach->ranges, SCHEME_ARRAY_2011) / ours;
        double times = ours / ns_of(reach->case_name, reach->ranges, SCHEME_FLOOR);

        printf("%-20s %7u  ", reach->case_name, reach->ranges);
        if (reach->faster_than_2011 == 0)
            printf("%-40s ", "-");
        else
            printf("%6.2f, at least %5.2f: %-18s", faster, reach->faster_than_2011,
                   verdict(faster >= reach->faster_than_2011));
        printf("%5.2f, at most %5.2f: %s\n", times, reach->times_floor,
               verdict(times <= reach->times_floor));
    }
}

static FILE *open_for_writing(const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        perror(path);
    return file;
}

static bool write_json(const char *path)
{
    FILE *file = open_for_writing(path);
    const char *separator = "[";

    if (file == NULL)
        return false;
    for (size_t i = 0; i < row_count; i++) {
        for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++) {
            if (rows[i].ns[scheme] == 0)
                continue;
            fprintf(file,
                    "%s\n {\"case\": \"%s\", \"ranges\": %u, \"scheme\": \"%s\", \"ns\": %.3f}",
                    separator, rows[i].case_name, rows[i].ranges, scheme_names[scheme],
                    rows[i].ns[scheme]);
            separator = ",";
        }
    }
    fprintf(file, "\n]\n");
    return fclose(file) == 0;
}

static bool write_plot(const char *path)
{
    FILE *file = open_for_writing(path);

    if (file == NULL)
        return false;
    for (size_t i = 0; i < row_count; i++) {
        if (i == 0 || strcmp(rows[i].case_name, rows[i - 1].case_name) != 0)
            fprintf(file, "%s# %s\n", i == 0 ? "" : "\n\n", rows[i].case_name);
        fprintf(file, "%u", rows[i].ranges);
        for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++) {
            if (rows[i].ns[scheme] == 0)
                fprintf(file, " NaN");
            else
                fprintf(file, " %.3f", rows[i].ns[scheme]);
        }
        fprintf(file, "\n");
    }
    return fclose(file) == 0;
}

bool results_write(const char *json_path, const char *plot_path)
{
    return write_json(json_path) && write_plot(plot_path);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}
