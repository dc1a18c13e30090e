#include "bench/lab/lab_report.h"
#include "base/assert.h"
#include "base/macros.h"
#include "bench/lab/lab_format.h"
#include "bench/lab/lab_html.h"
#include "bench/lab/lab_json.h"
#include "bench/lab/lab_words.h"
#include "bench/load/hgrm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct report {
    const char *directory;
    struct mr_lab_figures *figures;
    struct mr_lab_words *words;
    unsigned model; /* whose histograms are being written */
    enum mr_lab_stream stream;
};

static void open_report(struct report *report, const struct mr_lab_result *result, const char *directory)
{
    *report = (struct report){
        .directory = directory, .figures = mr_lab_figures_create(result), .words = calloc(1, sizeof(*report->words))};
    MR_ASSERT(report->words != NULL);
    mr_lab_words_find(report->words, report->figures);
}

static void close_report(struct report *report)
{
    free(report->words);
    mr_lab_figures_destroy(&report->figures);
}

/* ---- files ---- */

typedef void write_content(FILE *out, const struct report *report);

static void write_html(FILE *out, const struct report *report)
{
    mr_lab_html_write(out, report->figures, report->words);
}

static void write_json(FILE *out, const struct report *report)
{
    mr_lab_json_write(out, report->figures, report->words);
}

static void write_hgrm(FILE *out, const struct report *report)
{
    const struct mr_lab_result *result = report->figures->result;
    struct mr_histogram_view view = {0};
    mr_lab_model_read(result, &result->models[report->model], report->stream, true, &view);
    mr_hgrm_write(out, &view);
}

/* Under another name first: who looks meanwhile, or after a crash, sees the old file or the new one. */
static int write_file(const struct report *report, const char *name, write_content *write, struct mr_fault *fault)
{
    char path[4352], part[4360];
    snprintf(path, sizeof(path), "%.4095s/%.250s", report->directory, name);
    snprintf(part, sizeof(part), "%s.part", path);
    FILE *out = fopen(part, "we");
    if (out == NULL)
        return mr_fault_set(fault, MR_EIO, "cannot write %s: %s", part, strerror(errno));
    write(out, report);
    bool is_bad = ferror(out) != 0;
    is_bad |= fclose(out) != 0;
    if (!is_bad && rename(part, path) == 0)
        return MR_OK;
    int reason = errno;
    remove(part);
    return mr_fault_set(fault, MR_EIO, "cannot write %s: %s", path, strerror(reason));
}

/* The name of a peer may be anything. '~' is never kept, so that the number tells apart what looks alike. */
static void file_name(const struct report *report, char *out, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const struct mr_lab_model *models = report->figures->result->models, *model = &models[report->model];
    bool is_taken = false;
    char name[sizeof(model->name)];
    snprintf(name, sizeof(name), "%s", model->name);
    for (char *c = name; *c != '\0'; c++)
        if (strchr(allowed, *c) == NULL)
            *c = '_';
    for (unsigned m = 0; m < report->model; m++)
        is_taken |= strcmp(models[m].name, name) == 0;
    if (is_taken || strcmp(name, model->name) != 0)
        snprintf(out, size, "%s-%s~%u.hgrm", mr_lab_stream_name(report->stream), name, report->model);
    else
        snprintf(out, size, "%s-%s.hgrm", mr_lab_stream_name(report->stream), name);
}

static int write_histograms(struct report *report, enum mr_lab_stream stream, struct mr_fault *fault)
{
    char name[96];
    int err = MR_OK;
    report->stream = stream;
    for (report->model = 0; err == MR_OK && report->model < report->figures->result->model_count; report->model++) {
        file_name(report, name, sizeof(name));
        err = write_file(report, name, write_hgrm, fault);
    }
    return err;
}

int mr_lab_report_write(const struct mr_lab_result *result, const char *directory, struct mr_fault *fault)
{
    struct report report;
    open_report(&report, result, directory);
    int err = write_histograms(&report, MR_LAB_LIGHT, fault);
    if (err == MR_OK)
        err = write_histograms(&report, MR_LAB_FRESH, fault);
    if (err == MR_OK)
        err = write_file(&report, "report.json", write_json, fault);
    if (err == MR_OK)
        err = write_file(&report, "report.html", write_html, fault);
    close_report(&report);
    return err;
}

/* ---- the terminal ---- */

static const struct {
    const char *heading;
    enum mr_lab_figure_id id;
} columns[] = {
    {"p50", MR_LAB_LIGHT_P50},     {"p90", MR_LAB_LIGHT_P90},        {"p99", MR_LAB_LIGHT_P99},
    {"p99.9", MR_LAB_LIGHT_P999},  {"max", MR_LAB_LIGHT_MAX},        {"rest p99", MR_LAB_REST_P99},
    {"new p99", MR_LAB_FRESH_P99}, {"lag p99", MR_LAB_LAG_P99},      {"images/s", MR_LAB_IMAGE_RATE},
    {"gzip", MR_LAB_GZIP_RATE},    {"encrypt", MR_LAB_ENCRYPT_RATE}, {"CPU s", MR_LAB_CPU},
    {"MiB", MR_LAB_RSS},
};

/* Cut to fill `width` columns, unless it is 0. A name may hold what a terminal would obey. */
static void print_plain(const char *text, unsigned width, FILE *out)
{
    unsigned column = 0;
    for (; *text != '\0' && (width == 0 || column < width); text++, column++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
    for (; column < width; column++)
        fputc(' ', out);
}

static void print_row(const struct report *report, unsigned m, FILE *out)
{
    print_plain(report->figures->result->models[m].name, 16, out);
    for (size_t i = 0; i < MR_ARRAY_SIZE(columns); i++) {
        double value = report->figures->of[m][columns[i].id].value;
        fprintf(out, " %8s", mr_lab_cell(mr_lab_figure_unit(columns[i].id), value).text);
    }
    fputc('\n', out);
}

void mr_lab_report_table(const struct mr_lab_result *result, FILE *out)
{
    struct report report;
    open_report(&report, result, "");
    fputs("light requests under load in ms; gzip and encrypt in MiB/s\n\n", out);
    fprintf(out, "%-16s", "");
    for (size_t i = 0; i < MR_ARRAY_SIZE(columns); i++)
        fprintf(out, " %8s", columns[i].heading);
    fputc('\n', out);
    for (unsigned m = 0; m < result->model_count; m++)
        print_row(&report, m, out);
    fputc('\n', out);
    for (unsigned i = 0; i < report.words->count; i++) {
        print_plain(report.words->sentences[i].text, 0, out);
        fputc('\n', out);
    }
    close_report(&report);
}
