/* option_tables.h -- options that belong to modules, and the one table that a program makes of them.
 *
 * A module declares its rows beside a struct of its own, whose fields they fill (a "settings" struct):
 *
 *      struct mr_drain_settings { uint64_t delay, timeout; };
 *      extern const struct mr_option mr_drain_options[];
 *
 * A program's config struct holds the settings of the modules that it is made of. The program lists their tables, each
 * with the place of its settings, in the order of --help; a module whose rows stand in several places of --help has
 * several tables. */
#ifndef MR_BASE_OPTION_TABLES_H
#define MR_BASE_OPTION_TABLES_H

#include "base/options.h"

struct mr_option_table {
    const struct mr_option *rows; /* ends with a row whose spec.name is NULL; their offsets count from `offset` */
    size_t offset;                /* of the settings in the program's config struct */
};

/* Write the rows of all tables to `out`, one after the other, and the row that ends them. tables: ends with one whose
 * rows are NULL. room: rows that `out` holds; too few of them assert. */
void mr_options_compose(struct mr_option *out, size_t room, const struct mr_option_table *tables);

/* ---- rows: the settings struct, then name, type, range, metavar, default, field, what it does ---- */

#define MR_OPTION_ROW(settings, option, kind, low, high, meta, preset, field, words)                       \
    {                                                                                                      \
        .spec = {.name = (option), .type = MR_PARAM_##kind, .min = (low), .max = (high), .text = (words)}, \
        .metavar = (meta), .default_value = (preset), .offset = offsetof(struct settings, field)           \
    }
/* Repeatable; the field is a struct mr_option_list. */
#define MR_OPTION_LIST(settings, option, meta, field, words)                                                \
    {                                                                                                       \
        .spec = {.name = (option), .type = MR_PARAM_TEXT, .max = 1000, .text = (words)}, .metavar = (meta), \
        .offset = offsetof(struct settings, field), .repeatable = true                                      \
    }
/* One of the words, kept as its index: the field is an int. */
#define MR_OPTION_CHOICE(settings, option, words_of, meta, preset, field, words)                     \
    {                                                                                                \
        .spec = {.name = (option), .type = MR_PARAM_CHOICE, .choices = (words_of), .text = (words)}, \
        .metavar = (meta), .default_value = (preset), .offset = offsetof(struct settings, field)     \
    }
#define MR_OPTION_END           \
    {                           \
        .spec = {.name = NULL } \
    }

#endif
