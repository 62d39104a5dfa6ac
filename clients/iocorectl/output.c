/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables, colours, JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* The longest text the daemon sends is IOCORE_REASON_MAX twice. */
#define CELL_MAX 1024

const char *json_text(const cJSON *object, const char *key) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

        return text ? text : "";
}

double json_number(const cJSON *object, const char *key, double fallback) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

        return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

bool json_true(const cJSON *object, const char *key) {
        return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

int show_json(const cJSON *json, bool one_line) {
        char *text = one_line ? cJSON_PrintUnformatted(json) : cJSON_Print(json);

        if (!text) {
                fputs("iocorectl: out of memory\n", stderr);
                return EXIT_REFUSED;
        }
        puts(text);
        if (one_line) /* somebody follows */
                (void) fflush(stdout);
        cJSON_free(text);
        return EXIT_OK;
}

void print_text(FILE *file, const char *string) {
        for (const unsigned char *c = (const unsigned char *) string; *c; c++) {
                if (*c < 0x20 || *c == 0x7f)
                        putc('?', file);
                else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) { /* U+0080 to U+009F: control characters too */
                        putc('?', file);
                        c++;
                } else
                        putc(*c, file);
        }
}

void show_text(const char *string) {
        print_text(stdout, string);
}

bool show_rule(const cJSON *decision) {
        const char *rule = json_text(decision, "rule"), *text = json_text(decision, "text");
        const size_t length = strlen(rule);

        return length > 0 && !(strncmp(text, rule, length) == 0 && text[length] == ':');
}

const char *event_text(const char *kind, const char *text) {
        static const char *const states[] = {"core-idle", "not-isolated", "blocked", "discovery"};

        for (size_t i = 0; text[0] == '\0' && i < ELEMENTSOF(states); i++)
                if (strcmp(kind, states[i]) == 0)
                        return "no longer";
        return text;
}

void show_field(const char *name, const char *format, ...) {
        char text[CELL_MAX];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        printf("%12s  ", name);
        show_text(text);
        putchar('\n');
}

/* ---- colours: by what a word says about the host */

static const struct {
        const char *word, *sequence, *name; /* name: as libsmartcols calls it */
} colours[] = {
        {"done", "\033[32m", "green"},     {"kept", "\033[32m", "green"},       {"active", "\033[32m", "green"},
        {"running", "\033[32m", "green"},  {"loaded", "\033[32m", "green"},     {"open", "\033[32m", "green"},
        {"would", "\033[36m", "cyan"},     {"observe", "\033[36m", "cyan"},     {"refused", "\033[33m", "brown"},
        {"manual", "\033[33m", "brown"},   {"paused", "\033[33m", "brown"},     {"undone", "\033[33m", "brown"},
        {"disabled", "\033[33m", "brown"}, {"superseded", "\033[33m", "brown"}, {"failed", "\033[31m", "red"},
        {"stopped", "\033[31m", "red"},   {"yes", "\033[32m", "green"},         {"partly", "\033[33m", "brown"},
        {"cancelled", "\033[33m", "brown"}, {"waiting", "\033[36m", "cyan"}, {"unknown", "\033[31m", "red"},   {"blocked", "\033[33m", "brown"},
        {"in-progress", "\033[36m", "cyan"}, {"shutoff", "\033[33m", "brown"},
};

const char *colour_of(const struct client *client, const char *word) {
        for (size_t i = 0; client->colours && i < ELEMENTSOF(colours); i++)
                if (strcmp(colours[i].word, word) == 0)
                        return colours[i].sequence;
        return "";
}

const char *colour_end(const struct client *client) {
        return client->colours ? "\033[0m" : "";
}

/* ---- tables */

static void format_rate(double rate, char *ret, size_t size) {
        static const char units[] = " kMGTP";
        size_t unit = 0;

        while (rate >= 1000 && unit < sizeof(units) - 2) {
                rate /= 1000;
                unit++;
        }
        if (unit == 0)
                (void) snprintf(ret, size, "%.0f", rate);
        else
                (void) snprintf(ret, size, "%.*f%c", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate, units[unit]);
}

void format_time(double usec, bool date, char *ret, size_t size) {
        time_t seconds = (time_t) (usec / 1e6);
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(ret, size, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm) == 0)
                (void) snprintf(ret, size, "?");
}

static void format_cell(const cJSON *value, enum column_format format, char *ret, size_t size) {
        const double number = cJSON_IsNumber(value) ? value->valuedouble : NAN;

        (void) snprintf(ret, size, "-");
        switch (format) {
        case COLUMN_TEXT:
        case COLUMN_WORD:
                if (cJSON_IsString(value) && value->valuestring[0] != '\0')
                        (void) snprintf(ret, size, "%s", value->valuestring);
                else if (cJSON_IsNumber(value))
                        (void) snprintf(ret, size, "%g", number);
                else if (cJSON_IsBool(value))
                        (void) snprintf(ret, size, "%s", cJSON_IsTrue(value) ? "yes" : "no");
                break;
        case COLUMN_YES:
                if (cJSON_IsTrue(value))
                        (void) snprintf(ret, size, "yes");
                break;
        case COLUMN_CPU:
                if (number >= 0)
                        (void) snprintf(ret, size, "%.0f", number);
                break;
        case COLUMN_PAIR:
                if (cJSON_IsString(value))
                        (void) snprintf(ret, size, "%s", value->valuestring);
                __attribute__((fallthrough));
        case COLUMN_ID:
                if (!isnan(number))
                        (void) snprintf(ret, size, "%.0f", number);
                break;
        case COLUMN_CORES:
                if (!isnan(number))
                        (void) snprintf(ret, size, "%.2f", number);
                break;
        case COLUMN_SHARE:
                if (!isnan(number))
                        (void) snprintf(ret, size, "%.0f%%", number * 100);
                break;
        case COLUMN_RATE:
                if (!isnan(number))
                        format_rate(number, ret, size);
                break;
        case COLUMN_TIME:
                if (!isnan(number))
                        format_time(number, true, ret, size);
                break;
        }
}

/* Long text on a terminal: it is broken between words. Where too little is left beside the other columns it is written below them. */
struct layout {
        size_t terminal; /* its columns; 0: none, and nothing is broken */
        size_t width;    /* of a column of long text at most */
        bool below;
};

/* Words of less would stand one below the other. */
#define WRAP_MIN     24
#define BELOW_INDENT 4

/* Every code point is taken to be one column wide. */
static size_t text_width(const char *text) {
        size_t width = 0;

        for (; *text; text++)
                width += ((unsigned char) *text & 0xc0) != 0x80;
        return width;
}

/* Makes newlines of spaces, so that no line is wider than `width` unless a single word is. */
static void fold(char *text, size_t width) {
        char *space = NULL;
        size_t used = 0;

        for (char *c = text; *c; c++) {
                if (*c == ' ' && used <= width)
                        space = c;
                used += ((unsigned char) *c & 0xc0) != 0x80;
                if (used <= width)
                        continue;
                if (!space && *c == ' ')
                        space = c;
                if (space) {
                        *space = '\n';
                        c = space;
                        space = NULL;
                        used = 0;
                }
        }
}

static size_t column_width(const cJSON *array, const struct column *column) {
        size_t widest = text_width(column->title);
        const cJSON *object;
        char cell[CELL_MAX];

        cJSON_ArrayForEach(object, array) {
                format_cell(cJSON_GetObjectItemCaseSensitive(object, column->key), column->format, cell, sizeof(cell));
                if (text_width(cell) > widest)
                        widest = text_width(cell);
        }
        return widest;
}

static struct layout lay_out(const cJSON *array, const struct column *columns, size_t n) {
        struct layout layout = {0};
        struct winsize window;
        size_t taken = n - 1, n_wrapped = 0, n_long = 0, widest = 0;

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0)
                return layout;
        for (size_t i = 0; i < n; i++) {
                const size_t width = column_width(array, columns + i);

                n_wrapped += columns[i].wrap;
                /* what is short needs no share */
                if (columns[i].wrap && width > WRAP_MIN) {
                        n_long++;
                        widest = width > widest ? width : widest;
                } else
                        taken += width;
        }
        if (n_wrapped == 0)
                return layout;
        layout.terminal = window.ws_col;
        if (n_long > 0)
                layout.width = layout.terminal > taken ? (layout.terminal - taken) / n_long : 0;
        layout.below = n_long > 0 ? layout.width < WRAP_MIN && layout.width < widest : taken > layout.terminal;
        return layout;
}

static void show_below(const struct layout *layout, const cJSON *object, const struct column *columns, size_t n) {
        char cell[CELL_MAX];

        for (size_t i = 0; i < n; i++) {
                if (!columns[i].wrap)
                        continue;
                format_cell(cJSON_GetObjectItemCaseSensitive(object, columns[i].key), columns[i].format, cell, sizeof(cell));
                if (strcmp(cell, "-") == 0)
                        continue;
                fold(cell, layout->terminal > BELOW_INDENT ? layout->terminal - BELOW_INDENT : 1);
                for (char *rest = cell, *line; (line = strsep(&rest, "\n"));) {
                        printf("%*s", BELOW_INDENT, "");
                        show_text(line);
                        putchar('\n');
                }
        }
}

static int print_with_text_below(struct libscols_table *table, const struct layout *layout, const cJSON *array, const struct column *columns, size_t n) {
        const cJSON *object;
        size_t i = 0;
        int r = 0;

        cJSON_ArrayForEach(object, array) {
                struct libscols_line *line = scols_table_get_line(table, i++);

                r = line ? scols_table_print_range(table, line, line) : -1;
                if (r != 0)
                        break;
                if (i == scols_table_get_nlines(table)) /* libsmartcols ends a line only when another follows */
                        putchar('\n');
                show_below(layout, object, columns, n);
        }
        return r;
}

static int add_line(struct libscols_table *table, const struct layout *layout, const cJSON *object, const struct column *columns, size_t n) {
        struct libscols_line *line = scols_table_new_line(table, NULL);
        size_t to = 0;
        int r = line ? 0 : -1;

        for (size_t i = 0; r == 0 && i < n; i++) {
                char cell[CELL_MAX];

                if (columns[i].wrap && layout->below)
                        continue;
                format_cell(cJSON_GetObjectItemCaseSensitive(object, columns[i].key), columns[i].format, cell, sizeof(cell));
                if (columns[i].wrap && layout->width > 0)
                        fold(cell, layout->width);
                r = scols_line_set_data(line, to, cell);
                for (size_t c = 0; r == 0 && columns[i].format == COLUMN_WORD && c < ELEMENTSOF(colours); c++)
                        if (strcmp(colours[c].word, cell) == 0)
                                r = scols_cell_set_color(scols_line_get_cell(line, to), colours[c].name);
                to++;
        }
        return r;
}

static int add_column(struct libscols_table *table, const struct layout *layout, const struct column *column) {
        const bool text = column->format == COLUMN_TEXT || column->format == COLUMN_WORD || column->format == COLUMN_YES || column->format == COLUMN_TIME;
        struct libscols_column *added;
        int r = 0;

        if (column->wrap && layout->below)
                return 0;
        added = scols_table_new_column(table, column->title, 0,
                                       (text ? 0 : SCOLS_FL_RIGHT) | (column->wrap ? SCOLS_FL_WRAP : 0) | (column->cut ? SCOLS_FL_TRUNC : 0));
        if (added && column->wrap && layout->width > 0) {
                r = scols_column_set_wrapfunc(added, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
                if (r == 0)
                        r = scols_column_set_safechars(added, "\n");
        }
        return added ? r : -1;
}

int show_table(const struct client *client, const cJSON *array, const struct column *columns, size_t n) {
        struct libscols_table *table;
        struct layout layout;
        const cJSON *object;
        int r = -1;

        if (client->json)
                return show_json(array, false);
        table = scols_new_table();
        if (table) {
                scols_table_enable_colors(table, client->colours);
                scols_table_enable_noheadings(table, client->no_legend);
                r = 0;
        }
        layout = lay_out(array, columns, n);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = add_column(table, &layout, columns + i);
        cJSON_ArrayForEach(object, array) {
                if (r == 0)
                        r = add_line(table, &layout, object, columns, n);
        }
        if (r == 0 && !scols_table_is_empty(table))
                r = layout.below ? print_with_text_below(table, &layout, array, columns, n) : scols_print_table(table);
        else if (r == 0 && !client->no_legend)
                puts("(none)");
        scols_unref_table(table);
        if (r != 0) {
                fputs("iocorectl: cannot print the table\n", stderr);
                return EXIT_REFUSED;
        }
        return EXIT_OK;
}
