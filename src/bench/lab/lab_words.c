#include "bench/lab/lab_words.h"
#include "base/macros.h"
#include "bench/lab/lab_format.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FEW          10  /* answers */
#define BUSY_MACHINE 0.5 /* load average as the lab began, above which others were at work */

struct writer {
    struct mr_lab_words *words;
    const struct mr_lab_figures *figures;
    int workers, none, libuv, plain; /* indices of models, or -1; plain: inline, or none where that was not run */
};

MR_PRINTF(4, 5) static void say(struct mr_lab_words *words, const char *topic, double ratio, const char *format, ...)
{
    if (words->count == MR_LAB_SENTENCES_MAX)
        return;
    struct mr_lab_sentence *sentence = &words->sentences[words->count++];
    *sentence = (struct mr_lab_sentence){.topic = topic, .ratio = ratio};
    va_list list;
    va_start(list, format);
    vsnprintf(sentence->text, sizeof(sentence->text), format, list);
    va_end(list);
}

static const struct mr_lab_figure *figure_of(const struct writer *writer, int model, enum mr_lab_figure_id id)
{
    return &writer->figures->of[model][id];
}

static const char *name_of(const struct writer *writer, int model)
{
    return writer->figures->result->models[model].name;
}

/* Both models were run and know that figure. */
static bool are_known(const struct writer *writer, int a, int b, enum mr_lab_figure_id id)
{
    return a >= 0 && b >= 0 && !isnan(figure_of(writer, a, id)->value) && !isnan(figure_of(writer, b, id)->value);
}

static bool ties(const struct writer *writer, int a, int b, enum mr_lab_figure_id id)
{
    return mr_lab_figure_ties(figure_of(writer, a, id), figure_of(writer, b, id));
}

/* How often the smaller one goes into the larger one. */
static double ratio_of(double a, double b)
{
    return fmax(a, b) / fmin(a, b);
}

static bool competes(const struct writer *writer, int model, enum mr_lab_figure_id id)
{
    return mr_lab_model_is_comparable(&writer->figures->result->models[model]) &&
           !isnan(figure_of(writer, model, id)->value);
}

/* The best of those that may be compared, or -1. */
static int find_best(const struct writer *writer, enum mr_lab_figure_id id, bool is_more_better)
{
    int best = -1;
    for (int m = 0; m < (int)writer->figures->result->model_count; m++) {
        if (!competes(writer, m, id))
            continue;
        double value = figure_of(writer, m, id)->value;
        if (best < 0 ||
            (is_more_better ? value > figure_of(writer, best, id)->value : value < figure_of(writer, best, id)->value))
            best = m;
    }
    return best;
}

/* ---- workers beside a loop that computes ---- */

/* ": 283 times longer" and its like, about the second of two durations. */
static struct mr_lab_text verdict(const struct writer *writer, int first, int second, enum mr_lab_figure_id id)
{
    struct mr_lab_text out = {": a tie"};
    double a = figure_of(writer, first, id)->value, b = figure_of(writer, second, id)->value;
    if (!ties(writer, first, second, id))
        snprintf(out.text, sizeof(out.text), ": %.12s times %s", mr_lab_number(ratio_of(a, b)).text,
                 b > a ? "longer" : "shorter");
    return out;
}

static struct mr_lab_text time_of(const struct writer *writer, int model, enum mr_lab_figure_id id)
{
    return mr_lab_duration(figure_of(writer, model, id)->value);
}

/* "BEFORE 1.24 ms with workers, BETWEEN 344 ms with inline: 283 times longer." */
struct frame {
    const char *topic;
    enum mr_lab_figure_id id;
    const char *before, *between;
};

static double loss(const struct writer *writer, enum mr_lab_figure_id id)
{
    return figure_of(writer, writer->plain, id)->value / figure_of(writer, writer->workers, id)->value;
}

static void compare(const struct writer *writer, const struct frame *frame)
{
    int workers = writer->workers, plain = writer->plain;
    if (!are_known(writer, workers, plain, frame->id))
        return;
    say(writer->words, frame->topic, loss(writer, frame->id), "%s %s with workers, %s %s with %s%s.", frame->before,
        time_of(writer, workers, frame->id).text, frame->between, time_of(writer, plain, frame->id).text,
        name_of(writer, plain), verdict(writer, workers, plain, frame->id).text);
}

static void say_gain(const struct writer *writer)
{
    const enum mr_lab_figure_id id = MR_LAB_LIGHT_P99;
    say(writer->words, "finding", loss(writer, id),
        "With offload (workers) the loop answered 99 %% of light requests within %s while the machine was busy; "
        "without (%s), within %s%s.",
        time_of(writer, writer->workers, id).text, name_of(writer, writer->plain),
        time_of(writer, writer->plain, id).text, verdict(writer, writer->workers, writer->plain, id).text);
}

static void say_finding(const struct writer *writer)
{
    int best = find_best(writer, MR_LAB_LIGHT_P99, false);
    if (are_known(writer, writer->workers, writer->plain, MR_LAB_LIGHT_P99))
        say_gain(writer);
    else if (best >= 0)
        say(writer->words, "finding", NAN, "%s answered 99 %% of light requests within %s while the machine was busy.",
            name_of(writer, best), time_of(writer, best, MR_LAB_LIGHT_P99).text);
    else
        say(writer->words, "finding", NAN, "Too few requests were answered under load to compare anything.");
}

/* ---- what each model costs ---- */

static const struct {
    const char *name, *text;
} lessons[] = {
    {"inline", "computes in its handlers, as ordinary ones do, and looks at no socket until all jobs that are ready "
               "have run"},
    {"none", "yields: it looks at its sockets between two jobs, which an ordinary handler that computes does not"},
    {"threads", "has a thread for each connection: none waits for another's code, and all of them for a core"},
    {"libuv", "leaves jobs to libuv's pool, and its loop is free but for their begin and end"},
    {"workers", "leaves jobs to threads of a lower priority than its loop's"},
    {"cluster-none", "yields in two processes, each of which stands still for its own jobs"},
    {"cluster-workers", "has two processes, each with such threads"},
};

static void say_costs(const struct writer *writer)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(lessons); i++) {
        int model = mr_lab_model_find(writer->figures->result, lessons[i].name);
        if (are_known(writer, model, model, MR_LAB_LIGHT_P99) && are_known(writer, model, model, MR_LAB_HEAVY))
            say(writer->words, "cost", NAN,
                "The model %s %s: 99 %% of light requests within %s, and %s of the most heavy work.", lessons[i].name,
                lessons[i].text, time_of(writer, model, MR_LAB_LIGHT_P99).text,
                mr_lab_cell(MR_LAB_UNIT_SHARE, figure_of(writer, model, MR_LAB_HEAVY)->value).text);
    }
}

/* ---- heavy throughput ---- */

static void say_heavy(const struct writer *writer, int other)
{
    if (!are_known(writer, writer->workers, other, MR_LAB_HEAVY))
        return;
    double ratio =
        figure_of(writer, writer->workers, MR_LAB_HEAVY)->value / figure_of(writer, other, MR_LAB_HEAVY)->value;
    say(writer->words, "heavy", ratio, "Of all heavy work together, workers did %s times as much as %s%s.",
        mr_lab_number(ratio).text, name_of(writer, other),
        ties(writer, writer->workers, other, MR_LAB_HEAVY) ? ": a tie" : "");
}

/* ---- who wins ---- */

/* "libuv, threads": who ties with the best. False: nobody. */
static bool list_ties(const struct writer *writer, int best, enum mr_lab_figure_id id, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (int m = 0; m < (int)writer->figures->result->model_count && len < size; m++)
        if (m != best && competes(writer, m, id) && ties(writer, best, m, id))
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", name_of(writer, m));
    return len > 0;
}

struct contest {
    const char *topic;
    enum mr_lab_figure_id id;
    bool is_more_better;
    const char *prize; /* "has the shortest p99 of light requests" */
};

/* "1.24 ms"; of heavy work, which has no unit, "93 %" of the best. */
static struct mr_lab_text score(const struct writer *writer, int model, const struct contest *contest)
{
    double value = figure_of(writer, model, contest->id)->value;
    return contest->is_more_better ? mr_lab_cell(MR_LAB_UNIT_SHARE, value) : mr_lab_duration(value);
}

static void say_other_wins(const struct writer *writer, const struct contest *contest, int best)
{
    int workers = writer->workers;
    double ratio =
        ratio_of(figure_of(writer, best, contest->id)->value, figure_of(writer, workers, contest->id)->value);
    say(writer->words, contest->topic, ratio, "Not workers but %s %s: %s, and workers %s, a factor of %s.",
        name_of(writer, best), contest->prize, score(writer, best, contest).text, score(writer, workers, contest).text,
        mr_lab_number(ratio).text);
}

static void say_winner(const struct writer *writer, const struct contest *contest)
{
    int best = find_best(writer, contest->id, contest->is_more_better), workers = writer->workers;
    char others[400];
    if (best < 0)
        return;
    bool does_other_win = workers >= 0 && best != workers && competes(writer, workers, contest->id);
    if (does_other_win && !ties(writer, best, workers, contest->id))
        say_other_wins(writer, contest, best);
    else if (list_ties(writer, best, contest->id, others, sizeof(others)))
        say(writer->words, contest->topic, NAN, "The model %s %s, in a tie with %s.", name_of(writer, best),
            contest->prize, others);
    else
        say(writer->words, contest->topic, NAN, "The model %s %s; no other ties with it.", name_of(writer, best),
            contest->prize);
}

/* ---- what to doubt ---- */

static void note_skips(const struct writer *writer, const struct mr_lab_model *model)
{
    char skipped[96] = "";
    size_t len = 0;
    for (unsigned stream = 0; stream < MR_LAB_STREAM_COUNT && len < sizeof(skipped); stream++)
        if (model->skips_heavy[stream])
            len += (size_t)snprintf(skipped + len, sizeof(skipped) - len, "%s%s", len > 0 ? ", " : "",
                                    mr_lab_stream_name((enum mr_lab_stream)stream));
    if (len > 0)
        say(writer->words, "note", NAN,
            "%s was not asked for %s: it met less load than the others, and is left out of every comparison.",
            model->name, skipped);
}

/* A rate of so few answers is off by a third or more. */
static void note_few(const struct writer *writer, const struct mr_lab_model *model)
{
    for (unsigned stream = MR_LAB_IMAGE; stream < MR_LAB_STREAM_COUNT; stream++) {
        uint64_t fewest = UINT64_MAX;
        for (unsigned i = 0; i < model->round_count; i++)
            if (model->rounds[i].is_measured && !model->skips_heavy[stream])
                fewest = MR_MIN(fewest, model->rounds[i].streams[stream].answered);
        if (fewest < FEW)
            say(writer->words, "note", NAN, "In a round, %s answered only %llu of %s: that rate is a rough one.",
                model->name, (unsigned long long)fewest, mr_lab_stream_name((enum mr_lab_stream)stream));
    }
}

/* Why each round is invalid, if it is one reason for several of them; else NULL. */
static const char *common_reason(const struct mr_lab_model *model)
{
    const char *first = model->rounds[0].invalid;
    for (unsigned i = 1; i < model->round_count; i++)
        if (strcmp(model->rounds[i].invalid, first) != 0)
            return NULL;
    return model->round_count > 1 && first[0] != '\0' ? first : NULL;
}

static void note_rounds(const struct writer *writer, const struct mr_lab_model *model)
{
    const char *common = common_reason(model);
    if (common != NULL)
        say(writer->words, "note", NAN, "Each round of %s is invalid, though the figures hold it: %s.", model->name,
            common);
    for (unsigned i = 0; i < model->round_count; i++) {
        const struct mr_lab_round *round = &model->rounds[i];
        if (!round->is_measured)
            say(writer->words, "note", NAN, "Round %u of %s failed and does not count: %s.", i + 1, model->name,
                round->failure[0] != '\0' ? round->failure : "it was not run");
        else if (round->failure[0] != '\0')
            say(writer->words, "note", NAN, "Round %u of %s was measured, but: %s.", i + 1, model->name,
                round->failure);
        if (round->invalid[0] != '\0' && common == NULL)
            say(writer->words, "note", NAN, "Round %u of %s is invalid, though the figures hold it: %s.", i + 1,
                model->name, round->invalid);
    }
}

/* Too many doubts for the list: the last one says how to see them all. */
static void end_notes(struct mr_lab_words *words)
{
    if (words->count < MR_LAB_SENTENCES_MAX)
        return;
    words->count--;
    say(words, "note", NAN, "There were more failed or invalid rounds: report.json names them all.");
}

static void say_notes(const struct writer *writer)
{
    const struct mr_lab_result *result = writer->figures->result;
    if (result->load_average > BUSY_MACHINE)
        say(writer->words, "note", NAN,
            "Other programs were at work as the lab began (load average %.2f): all figures are worse and less certain.",
            result->load_average);
    for (unsigned m = 0; m < result->model_count; m++) {
        note_skips(writer, &result->models[m]);
        note_few(writer, &result->models[m]);
        note_rounds(writer, &result->models[m]);
    }
    end_notes(writer->words);
}

static void say_about_light(const struct writer *writer)
{
    static const struct frame frames[] = {
        {"light", MR_LAB_LIGHT_P50, "Half of the light requests under load were answered within", "within"},
        {"light", MR_LAB_REST_P99, "Before the heavy load began, 99 % were answered within", "within"},
    };
    static const struct contest contest = {"light", MR_LAB_LIGHT_P99, false,
                                           "has the shortest p99 of light requests under load"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(frames); i++)
        compare(writer, &frames[i]);
    say_winner(writer, &contest);
}

static void say_about_fresh(const struct writer *writer)
{
    static const struct frame frames[] = {
        {"fresh", MR_LAB_FRESH_P50,
         "Where connections were opened as needed, half of the requests under load were answered within", "within"},
        {"fresh", MR_LAB_FRESH_P99, "Of these, 99 % were answered within", "within"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(frames); i++)
        compare(writer, &frames[i]);
}

static void say_about_lag(const struct writer *writer)
{
    static const struct frame frame = {"lag", MR_LAB_LAG_P99,
                                       "Of the ticks of the loop's probe, 99 % were late by at most", "by at most"};
    compare(writer, &frame);
}

static void say_about_heavy(const struct writer *writer)
{
    static const struct contest contest = {"heavy", MR_LAB_HEAVY, true, "does the most heavy work"};
    if (writer->plain != writer->none)
        say_heavy(writer, writer->plain);
    say_heavy(writer, writer->none);
    say_heavy(writer, writer->libuv);
    say_winner(writer, &contest);
}

void mr_lab_words_find(struct mr_lab_words *words, const struct mr_lab_figures *figures)
{
    const struct mr_lab_result *result = figures->result;
    int ordinary = mr_lab_model_find(result, "inline"), none = mr_lab_model_find(result, "none");
    const struct writer writer = {.words = words,
                                  .figures = figures,
                                  .workers = mr_lab_model_find(result, "workers"),
                                  .none = none,
                                  .plain = ordinary >= 0 ? ordinary : none,
                                  .libuv = mr_lab_model_find(result, "libuv")};
    words->count = 0;
    say_finding(&writer);
    say_costs(&writer);
    say_about_light(&writer);
    say_about_fresh(&writer);
    say_about_lag(&writer);
    say_about_heavy(&writer);
    say_notes(&writer);
}

bool mr_lab_sentence_is_note(const struct mr_lab_sentence *sentence)
{
    return strcmp(sentence->topic, "note") == 0;
}
