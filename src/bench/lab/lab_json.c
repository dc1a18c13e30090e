#include "bench/lab/lab_json.h"
#include "base/json.h"
#include <math.h>

enum { LINES = 5 }; /* down to the rounds of a model each member has a line */

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* ---- what was run ---- */

static void write_machine(struct mr_json *json, const struct mr_lab_result *result)
{
    mr_json_open(json, "run", '{');
    mr_json_text(json, "machine", result->machine);
    mr_json_text(json, "version", result->version);
    mr_json_text(json, "libraries", result->libraries);
    mr_json_text(json, "photo", result->photo);
    mr_json_number(json, "began", seconds(result->began_wall));
    mr_json_number(json, "load_average", result->load_average);
    mr_json_close(json);
}

static void write_load_stream(struct mr_json *json, const struct mr_lab_result *result, enum mr_lab_stream stream)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", mr_lab_stream_name(stream));
    mr_json_text(json, "request", mr_lab_stream_text(stream));
    mr_json_bool(json, "heavy", mr_lab_stream_is_heavy(stream));
    mr_json_integer(json, "connections", result->connections[stream]);
    if (!mr_lab_stream_is_heavy(stream))
        mr_json_number(json, "rate", stream == MR_LAB_LIGHT ? result->light_rate : result->fresh_rate);
    mr_json_close(json);
}

static void write_load(struct mr_json *json, const struct mr_lab_result *result)
{
    mr_json_open(json, "load", '{');
    mr_json_number(json, "round", seconds(result->round_ns));
    mr_json_number(json, "heavy_from", seconds(result->heavy_from_ns));
    mr_json_number(json, "heavy_until", seconds(result->heavy_until_ns));
    mr_json_open(json, "streams", '[');
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        write_load_stream(json, result, (enum mr_lab_stream)i);
    mr_json_close(json);
    mr_json_close(json);
}

static void write_words(struct mr_json *json, const struct mr_lab_words *words)
{
    mr_json_open(json, "words", '[');
    for (unsigned i = 0; i < words->count; i++) {
        mr_json_open(json, NULL, '{');
        mr_json_text(json, "topic", words->sentences[i].topic);
        mr_json_text(json, "text", words->sentences[i].text);
        mr_json_number(json, "ratio", words->sentences[i].ratio);
        mr_json_close(json);
    }
    mr_json_close(json);
}

/* ---- the models ---- */

static void write_figure(struct mr_json *json, const char *name, const struct mr_lab_figure *figure, unsigned rounds)
{
    mr_json_open(json, name, '{');
    mr_json_number(json, "value", figure->value);
    mr_json_number(json, "lowest", figure->lowest);
    mr_json_number(json, "highest", figure->highest);
    mr_json_open(json, "rounds", '[');
    for (unsigned i = 0; i < rounds; i++)
        mr_json_number(json, NULL, figure->rounds[i]);
    mr_json_close(json);
    mr_json_close(json);
}

static void write_figures(struct mr_json *json, const struct mr_lab_figures *figures, unsigned m)
{
    mr_json_open(json, "figures", '{');
    for (unsigned id = 0; id < MR_LAB_FIGURE_COUNT; id++)
        write_figure(json, mr_lab_figure_name((enum mr_lab_figure_id)id), &figures->of[m][id],
                     figures->result->models[m].round_count);
    mr_json_close(json);
}

/* Of the whole window, in the load and before and after it. */
static void write_stream(struct mr_json *json, const char *name, const struct mr_load_result *result)
{
    static const char *const error_names[] = {
#define ERROR_NAME(id, name) name,
        MR_LOAD_ERRORS(ERROR_NAME)
#undef ERROR_NAME
    };
    mr_json_open(json, name, '{');
    mr_json_integer(json, "requests", result->requests);
    mr_json_integer(json, "answered", result->answered);
    mr_json_integer(json, "unanswered", result->unanswered);
    mr_json_integer(json, "queued", result->queued);
    mr_json_open(json, "errors", '{');
    for (unsigned i = 0; i < MR_LOAD_ERROR_COUNT; i++)
        mr_json_integer(json, error_names[i], result->errors[i]);
    mr_json_close(json);
    mr_json_integer(json, "bytes_sent", result->bytes_sent);
    mr_json_integer(json, "bytes_received", result->bytes_received);
    mr_json_integer(json, "connects", result->connects);
    mr_json_integer(json, "connect_failures", result->connect_failures);
    mr_json_number(json, "generator_busy", result->busy);
    mr_json_close(json);
}

static void write_view(struct mr_json *json, const struct mr_histogram_view *view, uint64_t errors)
{
    mr_json_open(json, NULL, '{');
    mr_json_integer(json, "count", view->count);
    mr_json_integer(json, "errors", errors);
    mr_json_number(json, "p50", view->count == 0 ? NAN : seconds(mr_histogram_percentile(view, 50)));
    mr_json_number(json, "max", view->count == 0 ? NAN : seconds(view->max));
    mr_json_close(json);
}

static void write_slot(struct mr_json *json, const struct mr_timeline_slot *slot)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(&slot->latency, &view);
    write_view(json, &view, slot->errors);
}

static void write_timeline(struct mr_json *json, const struct mr_timeline *timeline)
{
    mr_json_open(json, "timeline", '{');
    mr_json_number(json, "slot", seconds(timeline->slot_ns));
    mr_json_open(json, "slots", '[');
    for (unsigned i = 0; i < timeline->count; i++)
        write_slot(json, &timeline->slots[i]);
    mr_json_close(json);
    mr_json_close(json);
}

/* Buckets as the server's /metrics has them: samples at or below `upper`; the last one has no bound. */
static void write_lag(struct mr_json *json, const struct mr_lab_lag *lag)
{
    if (!lag->is_known) {
        mr_json_text(json, "lag_buckets", NULL);
        return;
    }
    mr_json_open(json, "lag_buckets", '[');
    for (unsigned i = 0; i < lag->bucket_count; i++) {
        mr_json_open(json, NULL, '{');
        mr_json_number(json, "upper", lag->upper[i]);
        mr_json_integer(json, "samples", lag->below[i]);
        mr_json_close(json);
    }
    mr_json_close(json);
}

/* ---- what the plots of the report are drawn from: all rounds of a model together ---- */

#define CURVE_STEP   0.02 /* of a power of ten of 1/(1-p) */
#define CURVE_BEGIN  0.1  /* 20 %: the few quickest tell nothing, and stretch the axis */
#define CURVE_POINTS 300  /* up to 99.9999 % */

/* Latency by percentile. x counts nines: 2 is 99 %. From `pooled_from` on no single round can tell. */
static void write_curve(struct mr_json *json, const struct mr_lab_latency *latency)
{
    unsigned point = 0, pooled_from = 0;
    mr_json_open(json, "curve", '{');
    mr_json_number(json, "begin", CURVE_BEGIN);
    mr_json_number(json, "step", CURVE_STEP);
    mr_json_open(json, "values", '[');
    for (; point < CURVE_POINTS; point++) {
        double nines = CURVE_BEGIN + point * CURVE_STEP;
        struct mr_lab_figure figure = mr_lab_latency_percentile(latency, 100 - 100 * pow(10, -nines));
        if (isnan(figure.value))
            break;
        mr_json_number(json, NULL, figure.value);
        pooled_from = figure.count > 0 ? point + 1 : pooled_from;
    }
    mr_json_close(json);
    mr_json_integer(json, "pooled_from", pooled_from);
    mr_json_close(json);
}

/* A slot of all measured rounds. */
static void write_moment(struct mr_json *json, const struct mr_lab_model *model, unsigned slot)
{
    struct mr_histogram_view view = {0};
    uint64_t errors = 0;
    for (unsigned i = 0; i < model->round_count; i++) {
        const struct mr_timeline *timeline = &model->rounds[i].streams[MR_LAB_LIGHT].timeline;
        if (!model->rounds[i].is_measured || slot >= timeline->count)
            continue;
        mr_histogram_read(&timeline->slots[slot].latency, &view);
        errors += timeline->slots[slot].errors;
    }
    write_view(json, &view, errors);
}

/* Slots are the same in all rounds; there are none when no round was measured. */
static void write_moments(struct mr_json *json, const struct mr_lab_model *model)
{
    const struct mr_timeline *timeline = NULL;
    for (unsigned i = 0; i < model->round_count && timeline == NULL; i++)
        if (model->rounds[i].is_measured && model->rounds[i].streams[MR_LAB_LIGHT].timeline.count > 0)
            timeline = &model->rounds[i].streams[MR_LAB_LIGHT].timeline;
    mr_json_open(json, "timeline", '{');
    mr_json_number(json, "slot", timeline == NULL ? 0 : seconds(timeline->slot_ns));
    mr_json_open(json, "slots", '[');
    for (unsigned slot = 0; timeline != NULL && slot < timeline->count; slot++)
        write_moment(json, model, slot);
    mr_json_close(json);
    mr_json_close(json);
}

static const char *text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static void write_round(struct mr_json *json, const struct mr_lab_round *round)
{
    mr_json_open(json, NULL, '{');
    mr_json_bool(json, "measured", round->is_measured);
    mr_json_text(json, "failure", text_or_null(round->failure));
    mr_json_text(json, "invalid", text_or_null(round->invalid));
    if (round->is_measured) {
        mr_json_open(json, "streams", '{');
        for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
            write_stream(json, mr_lab_stream_name((enum mr_lab_stream)i), &round->streams[i]);
        mr_json_close(json);
        write_timeline(json, &round->streams[MR_LAB_LIGHT].timeline);
        write_lag(json, &round->lag);
    }
    mr_json_close(json);
}

static void write_model(struct mr_json *json, const struct mr_lab_figures *figures, unsigned m)
{
    const struct mr_lab_model *model = &figures->result->models[m];
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", model->name);
    mr_json_text(json, "title", model->title);
    mr_json_text(json, "command", model->command);
    mr_json_bool(json, "peer", model->is_peer);
    mr_json_integer(json, "colour", mr_lab_model_colour(figures->result, m));
    mr_json_open(json, "skips", '[');
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        if (model->skips_heavy[i])
            mr_json_text(json, NULL, mr_lab_stream_name((enum mr_lab_stream)i));
    mr_json_close(json);
    write_figures(json, figures, m);
    write_curve(json, &figures->latency[m]);
    write_moments(json, model);
    mr_json_open(json, "rounds", '[');
    for (unsigned i = 0; i < model->round_count; i++)
        write_round(json, &model->rounds[i]);
    mr_json_close(json);
    mr_json_close(json);
}

void mr_lab_json_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words)
{
    struct mr_json json;
    mr_json_begin(&json, out);
    json.lines = LINES;
    mr_json_open(&json, NULL, '{');
    write_machine(&json, figures->result);
    write_load(&json, figures->result);
    write_words(&json, words);
    mr_json_open(&json, "models", '[');
    for (unsigned m = 0; m < figures->result->model_count; m++)
        write_model(&json, figures, m);
    mr_json_close(&json);
    mr_json_close(&json);
    fputc('\n', out);
}
