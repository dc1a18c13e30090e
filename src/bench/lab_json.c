#include "bench/lab_json.h"
#include "bench/json.h"
#include <math.h>

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* `before` is what stands in front of the name: a comma and an indent, or nothing. */
static void string_member(FILE *out, const char *before, const char *name, const char *text)
{
    fprintf(out, "%s\"%s\": ", before, name);
    mr_json_write_string(out, text);
}

static void number_member(FILE *out, const char *before, const char *name, double number)
{
    fprintf(out, "%s\"%s\": ", before, name);
    mr_json_write_number(out, number);
}

static void count_member(FILE *out, const char *before, const char *name, uint64_t count)
{
    fprintf(out, "%s\"%s\": %llu", before, name, (unsigned long long)count);
}

/* ---- what was run ---- */

static void write_machine(FILE *out, const struct mr_lab_result *result)
{
    fputs("\"run\": {", out);
    string_member(out, "\n  ", "machine", result->machine);
    string_member(out, ",\n  ", "version", result->version);
    string_member(out, ",\n  ", "libraries", result->libraries);
    string_member(out, ",\n  ", "photo", result->photo);
    number_member(out, ",\n  ", "began", seconds(result->began_wall));
    number_member(out, ",\n  ", "load_average", result->load_average);
    fputs("\n},\n", out);
}

static void write_load(FILE *out, const struct mr_lab_result *result)
{
    fputs("\"load\": {", out);
    number_member(out, "\n  ", "round", seconds(result->round_ns));
    number_member(out, ",\n  ", "heavy_from", seconds(result->heavy_from_ns));
    number_member(out, ",\n  ", "heavy_until", seconds(result->heavy_until_ns));
    fputs(",\n  \"streams\": [", out);
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) {
        enum mr_lab_stream stream = (enum mr_lab_stream)i;
        string_member(out, i == 0 ? "\n    {" : ",\n    {", "name", mr_lab_stream_name(stream));
        string_member(out, ", ", "request", mr_lab_stream_text(stream));
        fprintf(out, ", \"heavy\": %s", mr_lab_stream_is_heavy(stream) ? "true" : "false");
        count_member(out, ", ", "connections", result->connections[i]);
        if (!mr_lab_stream_is_heavy(stream))
            number_member(out, ", ", "rate", stream == MR_LAB_LIGHT ? result->light_rate : result->fresh_rate);
        fputc('}', out);
    }
    fputs("\n  ]\n},\n", out);
}

static void write_words(FILE *out, const struct mr_lab_words *words)
{
    fputs("\"words\": [", out);
    for (unsigned i = 0; i < words->count; i++) {
        string_member(out, i == 0 ? "\n  {" : ",\n  {", "topic", words->sentences[i].topic);
        string_member(out, ", ", "text", words->sentences[i].text);
        number_member(out, ", ", "ratio", words->sentences[i].ratio);
        fputc('}', out);
    }
    fputs("\n],\n", out);
}

/* ---- the models ---- */

static void write_figure(FILE *out, const struct mr_lab_figure *figure, unsigned rounds)
{
    number_member(out, "{", "value", figure->value);
    number_member(out, ", ", "lowest", figure->lowest);
    number_member(out, ", ", "highest", figure->highest);
    fputs(", \"rounds\": [", out);
    for (unsigned i = 0; i < rounds; i++) {
        fputs(i == 0 ? "" : ", ", out);
        mr_json_write_number(out, figure->rounds[i]);
    }
    fputs("]}", out);
}

static void write_figures(FILE *out, const struct mr_lab_figures *figures, unsigned m)
{
    fputs(",\n  \"figures\": {", out);
    for (unsigned id = 0; id < MR_LAB_FIGURE_COUNT; id++) {
        fprintf(out, "%s\n    \"%s\": ", id == 0 ? "" : ",", mr_lab_figure_name((enum mr_lab_figure_id)id));
        write_figure(out, &figures->of[m][id], figures->result->models[m].round_count);
    }
    fputs("\n  }", out);
}

/* Of the whole window, in the load and before and after it. */
static void write_stream(FILE *out, const struct mr_load_result *result)
{
    static const char *const error_names[] = {
#define ERROR_NAME(id, name) name,
        MR_LOAD_ERRORS(ERROR_NAME)
#undef ERROR_NAME
    };
    count_member(out, "{", "requests", result->requests);
    count_member(out, ", ", "answered", result->answered);
    count_member(out, ", ", "unanswered", result->unanswered);
    count_member(out, ", ", "queued", result->queued);
    for (unsigned i = 0; i < MR_LOAD_ERROR_COUNT; i++)
        count_member(out, i == 0 ? ", \"errors\": {" : ", ", error_names[i], result->errors[i]);
    count_member(out, "}, ", "bytes_sent", result->bytes_sent);
    count_member(out, ", ", "bytes_received", result->bytes_received);
    count_member(out, ", ", "connects", result->connects);
    count_member(out, ", ", "connect_failures", result->connect_failures);
    number_member(out, ", ", "generator_busy", result->busy);
    fputc('}', out);
}

static void write_timeline(FILE *out, const struct mr_timeline *timeline)
{
    number_member(out, ",\n     \"timeline\": {", "slot", seconds(timeline->slot_ns));
    fputs(", \"slots\": [", out);
    for (unsigned i = 0; i < timeline->count; i++) {
        struct mr_histogram_view view = {0};
        mr_histogram_read(&timeline->slots[i].latency, &view);
        count_member(out, i == 0 ? "\n      {" : ",\n      {", "count", view.count);
        count_member(out, ", ", "errors", timeline->slots[i].errors);
        fputs(", \"p50\": ", out);
        mr_json_write_number(out, view.count == 0 ? NAN : seconds(mr_histogram_percentile(&view, 50)));
        fputs(", \"max\": ", out);
        mr_json_write_number(out, view.count == 0 ? NAN : seconds(view.max));
        fputc('}', out);
    }
    fputs("]}", out);
}

/* Buckets as the server's /metrics has them: samples at or below `upper`; the last one has no bound. */
static void write_lag(FILE *out, const struct mr_lab_lag *lag)
{
    if (!lag->is_known) {
        fputs(",\n     \"lag_buckets\": null", out);
        return;
    }
    fputs(",\n     \"lag_buckets\": [", out);
    for (unsigned i = 0; i < lag->bucket_count; i++) {
        number_member(out, i == 0 ? "{" : ", {", "upper", lag->upper[i]);
        count_member(out, ", ", "samples", lag->below[i]);
        fputc('}', out);
    }
    fputc(']', out);
}

static void text_or_null(FILE *out, const char *name, const char *text)
{
    if (text[0] != '\0')
        string_member(out, ", ", name, text);
    else
        fprintf(out, ", \"%s\": null", name);
}

static void write_round(FILE *out, const struct mr_lab_round *round)
{
    fprintf(out, "{\"measured\": %s", round->is_measured ? "true" : "false");
    text_or_null(out, "failure", round->failure);
    text_or_null(out, "invalid", round->invalid);
    if (round->is_measured) {
        fputs(",\n     \"streams\": {", out);
        for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) {
            fprintf(out, "%s\n      \"%s\": ", i == 0 ? "" : ",", mr_lab_stream_name((enum mr_lab_stream)i));
            write_stream(out, &round->streams[i]);
        }
        fputc('}', out);
        write_timeline(out, &round->streams[MR_LAB_LIGHT].timeline);
        write_lag(out, &round->lag);
    }
    fputc('}', out);
}

static void write_model(FILE *out, const struct mr_lab_figures *figures, unsigned m)
{
    const struct mr_lab_model *model = &figures->result->models[m];
    string_member(out, "{", "name", model->name);
    string_member(out, ",\n  ", "title", model->title);
    string_member(out, ",\n  ", "command", model->command);
    fprintf(out, ",\n  \"peer\": %s,\n  \"skips\": [", model->is_peer ? "true" : "false");
    const char *separator = "";
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        if (model->skips_heavy[i]) {
            fprintf(out, "%s\"%s\"", separator, mr_lab_stream_name((enum mr_lab_stream)i));
            separator = ", ";
        }
    fputc(']', out);
    write_figures(out, figures, m);
    fputs(",\n  \"rounds\": [", out);
    for (unsigned i = 0; i < model->round_count; i++) {
        fputs(i == 0 ? "\n    " : ",\n    ", out);
        write_round(out, &model->rounds[i]);
    }
    fputs("\n  ]}", out);
}

void mr_lab_json_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words)
{
    fputs("{\n", out);
    write_machine(out, figures->result);
    write_load(out, figures->result);
    write_words(out, words);
    fputs("\"models\": [", out);
    for (unsigned m = 0; m < figures->result->model_count; m++) {
        fputs(m == 0 ? "" : ", ", out);
        write_model(out, figures, m);
    }
    fputs("]\n}\n", out);
}
