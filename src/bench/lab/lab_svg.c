#include "bench/lab/lab_svg.h"
#include "base/assert.h"
#include "base/macros.h"
#include "bench/lab/lab_format.h"
#include "bench/lab/markup.h"
#include "bench/lab/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PANEL_WIDTH  300 /* of a small plot: it fits a phone */
#define PANEL_HEIGHT 180

static const struct mr_lab_model *model_of(const struct mr_lab_figures *figures, unsigned m)
{
    return &figures->result->models[m];
}

#define COLOURS 16 /* classes in the style sheet */

/* Those that no name of ours has are for peers, in order. */
unsigned mr_lab_svg_colour(const struct mr_lab_figures *figures, unsigned m)
{
    static const char *const ours[] = {"none", "threads", "libuv", "workers", "cluster-none", "cluster-workers"};
    const unsigned count = MR_ARRAY_SIZE(ours);
    unsigned peers = 0;
    for (unsigned i = 0; i < count; i++)
        if (mr_lab_model_find(figures->result, ours[i]) == (int)m)
            return i;
    for (unsigned i = 0; i < m; i++)
        peers += model_of(figures, i)->is_peer;
    return count + peers % (COLOURS - count);
}

/* <g>, in the colour of that model. */
static void begin_group(FILE *out, const struct mr_lab_figures *figures, unsigned m)
{
    fprintf(out, "<g class=\"m%u\">", mr_lab_svg_colour(figures, m));
}

/* The range of a figure over all models, grown into *lowest and *highest. */
static void grow(double value, double *lowest, double *highest)
{
    if (isnan(value) || value <= 0)
        return;
    *lowest = fmin(*lowest, value);
    *highest = fmax(*highest, value);
}

static void fit_y(struct mr_svg *svg, double lowest, double highest)
{
    if (lowest > highest) /* nothing is known */
        mr_svg_fit_y(svg, 1e-4, 1e-2);
    else
        mr_svg_fit_y(svg, lowest, highest);
}

/* ---- latency by percentile ---- */

#define CURVE_STEP   0.02 /* of a power of ten of 1/(1-p) */
#define CURVE_BEGIN  0.1  /* 20 %: the few quickest tell nothing, and stretch the axis */
#define CURVE_POINTS 300  /* up to 99.9999 % */

struct curve {
    unsigned count; /* 0: nothing is known */
    struct {
        double value; /* seconds */
        bool is_pooled;
    } points[CURVE_POINTS];
};

/* Where the point lies on the x axis, which counts nines: 2 is 99 %. */
static double nines_of(unsigned point)
{
    return CURVE_BEGIN + point * CURVE_STEP;
}

static void trace_curve(struct curve *curve, const struct mr_lab_latency *latency)
{
    for (curve->count = 0; curve->count < CURVE_POINTS; curve->count++) {
        double percent = 100 - 100 * pow(10, -nines_of(curve->count));
        struct mr_lab_figure figure = mr_lab_latency_percentile(latency, percent);
        if (isnan(figure.value))
            return;
        curve->points[curve->count].value = figure.value;
        curve->points[curve->count].is_pooled = figure.count == 0;
    }
}

/* A solid line for the median of the rounds; a thin one where only all rounds together can tell. */
static void draw_curve(const struct mr_svg *svg, const struct curve *curve)
{
    fputs("<path class=\"curve\" d=\"", svg->out);
    for (unsigned i = 0; i < curve->count; i++) {
        bool is_pooled = curve->points[i].is_pooled, was_pooled = i > 0 && curve->points[i - 1].is_pooled;
        if (is_pooled && !was_pooled)
            fputs("\"/><path class=\"curve pooled\" d=\"", svg->out);
        fprintf(svg->out, "%s%.1f %.1f", i == 0 || is_pooled != was_pooled ? "M" : "L", mr_svg_x(svg, nines_of(i)),
                mr_svg_y(svg, curve->points[i].value));
    }
    fputs("\"/>\n", svg->out);
}

/* Dots at the percentiles that the table names; program-readable. */
static void draw_dots(const struct mr_svg *svg, const struct mr_lab_figures *figures, unsigned m)
{
    static const struct {
        double nines;
        enum mr_lab_figure_id id;
    } dots[] = {{0.30103, MR_LAB_LIGHT_P50}, {1, MR_LAB_LIGHT_P90}, {2, MR_LAB_LIGHT_P99}, {3, MR_LAB_LIGHT_P999}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(dots); i++) {
        double value = figures->of[m][dots[i].id].value;
        if (isnan(value))
            continue;
        fprintf(svg->out,
                "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\" data-figure=\"%s\" data-value=\"%.12g\" "
                "data-model=\"",
                mr_svg_x(svg, dots[i].nines), mr_svg_y(svg, value), mr_lab_figure_name(dots[i].id), value);
        mr_markup_write(svg->out, model_of(figures, m)->name);
        fputs("\"><title>", svg->out);
        mr_markup_write(svg->out, model_of(figures, m)->name);
        fprintf(svg->out, ": %s within %s</title></circle>\n", mr_lab_figure_column(dots[i].id),
                mr_lab_duration(value).text);
    }
}

struct end_label {
    unsigned model;
    double x, y, text_y;
};

/* Names at the ends of their lines, pushed apart where they would lie on each other. `labels` in order of y. */
static void draw_end_labels(const struct mr_svg *svg, const struct mr_lab_figures *figures, struct end_label *labels,
                            unsigned count)
{
    const double line = 17;
    for (unsigned i = 0; i < count; i++)
        labels[i].text_y = i == 0 ? labels[i].y : fmax(labels[i].y, labels[i - 1].text_y + line);
    double limit = svg->bottom;
    for (unsigned i = count; i-- > 0; limit = labels[i].text_y - line)
        labels[i].text_y = fmin(labels[i].text_y, limit);
    for (unsigned i = 0; i < count; i++) {
        const struct end_label *label = &labels[i];
        begin_group(svg->out, figures, label->model);
        fprintf(svg->out, "<path class=\"leader\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/></g>\n", label->x + 4, label->y,
                svg->right + 10, label->text_y, svg->right + 18);
        mr_svg_name(svg, svg->right + 23, label->text_y + 4, "label", model_of(figures, label->model)->name, 16);
    }
}

static void insert_label(struct end_label *labels, unsigned count, struct end_label label)
{
    for (; count > 0 && labels[count - 1].y > label.y; count--)
        labels[count] = labels[count - 1];
    labels[count] = label;
}

static void draw_percentile_axis(const struct mr_svg *svg)
{
    static const struct {
        double nines;
        const char *text;
    } ticks[] = {{0.30103, "50 %"}, {1, "90 %"},     {2, "99 %"},     {3, "99.9 %"},
                 {4, "99.99 %"},    {5, "99.999 %"}, {6, "99.9999 %"}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(ticks) && ticks[i].nines <= svg->x_max; i++) {
        double x = mr_svg_x(svg, ticks[i].nines);
        mr_svg_line(svg, x, svg->top, x, svg->bottom, "grid");
        mr_svg_text(svg, x, svg->bottom + 18, "middle", "tick", ticks[i].text);
    }
    mr_svg_text(svg, (svg->left + svg->right) / 2, svg->bottom + 38, "middle", "axis",
                "share of light requests answered within");
}

static void describe_p99(const struct mr_lab_figures *figures, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "99 percent of the light requests were answered within:");
    for (unsigned m = 0; m < figures->result->model_count && len < size; m++)
        len += (size_t)snprintf(out + len, size - len, "%s %s %s", m == 0 ? "" : ",", model_of(figures, m)->name,
                                mr_lab_duration(figures->of[m][MR_LAB_LIGHT_P99].value).text);
}

static void fit_percentiles(struct mr_svg *svg, const struct curve *curves, unsigned count)
{
    double lowest = INFINITY, highest = -INFINITY;
    svg->x_max = 2;
    for (unsigned m = 0; m < count; m++) {
        if (curves[m].count > 0)
            svg->x_max = fmax(svg->x_max, nines_of(curves[m].count - 1));
        for (unsigned i = 0; i < curves[m].count; i++)
            grow(curves[m].points[i].value, &lowest, &highest);
    }
    fit_y(svg, lowest, highest);
}

/* Lines, dots, and where there is room the names at their ends. */
static void draw_curves(const struct mr_svg *svg, const struct mr_lab_figures *figures, const struct curve *curves,
                        bool is_named)
{
    struct end_label labels[MR_LAB_MODELS_MAX];
    unsigned count = 0;
    for (unsigned m = 0; m < figures->result->model_count; m++) {
        const struct curve *curve = &curves[m];
        if (curve->count == 0)
            continue;
        begin_group(svg->out, figures, m);
        draw_curve(svg, curve);
        draw_dots(svg, figures, m);
        fputs("</g>\n", svg->out);
        insert_label(labels, count++,
                     (struct end_label){.model = m,
                                        .x = mr_svg_x(svg, nines_of(curve->count - 1)),
                                        .y = mr_svg_y(svg, curve->points[curve->count - 1].value)});
    }
    if (is_named)
        draw_end_labels(svg, figures, labels, count);
}

void mr_lab_svg_percentiles(FILE *out, const struct mr_lab_figures *figures, double width)
{
    bool is_wide = width >= MR_LAB_SVG_WIDE;
    struct mr_svg svg = {.out = out, .width = width, .height = is_wide ? 430 : 330, .left = 58, .top = 12};
    struct curve *curves = calloc(MR_LAB_MODELS_MAX, sizeof(*curves));
    char description[1200];
    MR_ASSERT(curves != NULL);
    svg.right = width - (is_wide ? 150 : 22);
    svg.bottom = svg.height - 46;
    for (unsigned m = 0; m < figures->result->model_count; m++)
        trace_curve(&curves[m], &figures->latency[m]);
    fit_percentiles(&svg, curves, figures->result->model_count);
    describe_p99(figures, description, sizeof(description));
    mr_svg_begin(&svg, is_wide ? "percentiles" : "percentiles-narrow", "Latency of light requests by percentile",
                 description);
    mr_svg_draw_y_axis(&svg);
    draw_percentile_axis(&svg);
    draw_curves(&svg, figures, curves, is_wide);
    mr_svg_end(&svg);
    free(curves);
}

/* ---- the timeline of one model ---- */

/* One slot of all measured rounds: median and maximum in seconds; NaN when nothing was sent in it. */
struct moment {
    double median, highest;
    uint64_t errors;
};

static struct moment moment_of(const struct mr_lab_model *model, unsigned slot)
{
    struct mr_histogram_view view = {0};
    struct moment moment = {.median = NAN, .highest = NAN, .errors = 0};
    for (unsigned i = 0; i < model->round_count; i++) {
        const struct mr_timeline *timeline = &model->rounds[i].streams[MR_LAB_LIGHT].timeline;
        if (!model->rounds[i].is_measured || slot >= timeline->count)
            continue;
        mr_histogram_read(&timeline->slots[slot].latency, &view);
        moment.errors += timeline->slots[slot].errors;
    }
    if (view.count > 0) {
        moment.median = (double)mr_histogram_percentile(&view, 50) / 1e9;
        moment.highest = (double)view.max / 1e9;
    }
    return moment;
}

/* Slots are the same in all rounds. 0: no round was measured. */
static unsigned slot_count(const struct mr_lab_model *model, double *seconds)
{
    for (unsigned i = 0; i < model->round_count; i++) {
        const struct mr_timeline *timeline = &model->rounds[i].streams[MR_LAB_LIGHT].timeline;
        if (model->rounds[i].is_measured && timeline->count > 0) {
            *seconds = (double)timeline->slot_ns / 1e9;
            return timeline->count;
        }
    }
    *seconds = 0;
    return 0;
}

/* All panels have one scale, so that they may be compared. */
static void fit_timelines(struct mr_svg *svg, const struct mr_lab_figures *figures)
{
    double lowest = INFINITY, highest = -INFINITY, seconds;
    for (unsigned m = 0; m < figures->result->model_count; m++) {
        unsigned count = slot_count(model_of(figures, m), &seconds);
        for (unsigned slot = 0; slot < count; slot++) {
            struct moment moment = moment_of(model_of(figures, m), slot);
            grow(moment.median, &lowest, &highest);
            grow(moment.highest, &lowest, &highest);
        }
    }
    fit_y(svg, lowest, highest);
}

static void draw_heavy_time(const struct mr_svg *svg, const struct mr_lab_result *result)
{
    double from = mr_svg_x(svg, (double)result->heavy_from_ns / 1e9);
    double until = mr_svg_x(svg, (double)result->heavy_until_ns / 1e9);
    mr_svg_rect(svg, from, svg->top, until - from, svg->bottom - svg->top, "heavy");
    mr_svg_line(svg, from, svg->top - 4, from, svg->bottom, "edge");
    mr_svg_line(svg, until, svg->top - 4, until, svg->bottom, "edge");
    mr_svg_text(svg, (from + until) / 2, svg->top - 5, "middle", "tick", "heavy load");
}

static void draw_time_axis(const struct mr_svg *svg)
{
    double span = svg->x_max;
    double every = span > 60 ? ceil(span / 50) * 10 : span > 12 ? 5 : span > 5 ? 2 : 1;
    unsigned last = (unsigned)floor(span / every + 1e-9);
    for (unsigned i = 0; i <= last; i++) {
        double x = mr_svg_x(svg, i * every);
        char text[32];
        snprintf(text, sizeof(text), i == last ? "%.0f s" : "%.0f", i * every);
        mr_svg_line(svg, x, svg->bottom, x, svg->bottom + 4, "edge");
        mr_svg_text(svg, x, svg->bottom + 17, "middle", "tick", text);
    }
}

static void draw_failures(const struct mr_svg *svg, double x, uint64_t errors)
{
    if (errors > 0)
        fprintf(svg->out,
                "<path class=\"failed\" d=\"M%.1f %.1fl4 4m0 -4l-4 4\"><title>%llu requests failed</title></path>\n",
                x - 2, svg->top + 2, (unsigned long long)errors);
}

/* A column from the median to the slowest for each slot, and the line of the medians above. */
static void draw_moments(const struct mr_svg *svg, const struct mr_lab_figures *figures, unsigned m)
{
    const struct mr_lab_model *model = model_of(figures, m);
    double seconds;
    unsigned count = slot_count(model, &seconds);
    const char *move = "M";
    begin_group(svg->out, figures, m);
    fputs("<path class=\"reach\" d=\"", svg->out);
    for (unsigned slot = 0; slot < count; slot++) {
        struct moment moment = moment_of(model, slot);
        if (!isnan(moment.median))
            fprintf(svg->out, "M%.1f %.1fV%.1fH%.1fV%.1fZ", mr_svg_x(svg, slot * seconds), mr_svg_y(svg, moment.median),
                    mr_svg_y(svg, moment.highest), mr_svg_x(svg, fmin((slot + 1) * seconds, svg->x_max)),
                    mr_svg_y(svg, moment.median));
    }
    fputs("\"/><path class=\"median\" d=\"", svg->out);
    for (unsigned slot = 0; slot < count; slot++) {
        struct moment moment = moment_of(model, slot);
        if (!isnan(moment.median))
            fprintf(svg->out, "%s%.1f %.1fH%.1f", move, mr_svg_x(svg, slot * seconds), mr_svg_y(svg, moment.median),
                    mr_svg_x(svg, fmin((slot + 1) * seconds, svg->x_max)));
        move = isnan(moment.median) ? "M" : "L";
    }
    fputs("\"/></g>\n", svg->out);
    for (unsigned slot = 0; slot < count; slot++)
        draw_failures(svg, mr_svg_x(svg, (slot + 0.5) * seconds), moment_of(model, slot).errors);
}

static struct mr_svg panel(FILE *out)
{
    return (struct mr_svg){.out = out,
                           .width = PANEL_WIDTH,
                           .height = PANEL_HEIGHT,
                           .left = 54,
                           .right = PANEL_WIDTH - 10,
                           .top = 20,
                           .bottom = PANEL_HEIGHT - 24};
}

void mr_lab_svg_timeline(FILE *out, const struct mr_lab_figures *figures, unsigned m)
{
    const struct mr_lab_result *result = figures->result;
    struct mr_svg svg = panel(out);
    char id[32], description[200];
    svg.x_max = (double)result->round_ns / 1e9;
    fit_timelines(&svg, figures);
    snprintf(id, sizeof(id), "timeline-%u", m);
    snprintf(description, sizeof(description), "Under load the median was %s and the slowest request %s.",
             mr_lab_duration(figures->of[m][MR_LAB_LIGHT_P50].value).text,
             mr_lab_duration(figures->of[m][MR_LAB_LIGHT_MAX].value).text);
    mr_svg_begin(&svg, id, "Latency of light requests over time", description);
    draw_heavy_time(&svg, result);
    mr_svg_draw_y_axis(&svg);
    draw_time_axis(&svg);
    draw_moments(&svg, figures, m);
    mr_svg_end(&svg);
}

/* ---- loop lag ---- */

struct buckets {
    unsigned count;
    double upper[MR_LAB_LAG_BUCKETS_MAX];
    uint64_t samples[MR_LAB_LAG_BUCKETS_MAX], total; /* in each; not cumulative */
};

static void add_buckets(struct buckets *buckets, const struct mr_lab_lag *lag)
{
    if (!lag->is_known || (buckets->count > 0 && buckets->count != lag->bucket_count))
        return;
    buckets->count = lag->bucket_count;
    memcpy(buckets->upper, lag->upper, sizeof(lag->upper));
    for (unsigned i = 0; i < lag->bucket_count; i++) {
        uint64_t samples = lag->below[i] - (i == 0 ? 0 : lag->below[i - 1]);
        buckets->samples[i] += samples;
        buckets->total += samples;
    }
}

static void sum_buckets(struct buckets *buckets, const struct mr_lab_model *model)
{
    *buckets = (struct buckets){0};
    for (unsigned i = 0; i < model->round_count; i++)
        if (model->rounds[i].is_measured)
            add_buckets(buckets, &model->rounds[i].lag);
}

bool mr_lab_svg_has_lag(const struct mr_lab_figures *figures, unsigned m)
{
    struct buckets buckets;
    sum_buckets(&buckets, model_of(figures, m));
    return buckets.total > 0;
}

/* The buckets that any model has something in: [*first, *end). */
static void find_range(const struct mr_lab_figures *figures, unsigned *first, unsigned *end)
{
    struct buckets buckets;
    *first = MR_LAB_LAG_BUCKETS_MAX;
    *end = 0;
    for (unsigned m = 0; m < figures->result->model_count; m++) {
        sum_buckets(&buckets, model_of(figures, m));
        for (unsigned i = 0; i < buckets.count; i++) {
            if (buckets.samples[i] == 0)
                continue;
            *first = MR_MIN(*first, i);
            *end = MR_MAX(*end, i + 1);
        }
    }
}

static void draw_share_axis(const struct mr_svg *svg)
{
    for (int percent = 0; percent <= 100; percent += 25) {
        double y = svg->bottom - percent / 100.0 * (svg->bottom - svg->top);
        char text[16];
        snprintf(text, sizeof(text), "%d %%", percent);
        mr_svg_line(svg, svg->left, y, svg->right, y, percent % 50 == 0 ? "grid" : "grid faint");
        if (percent % 50 == 0)
            mr_svg_text(svg, svg->left - 7, y + 4, "end", "tick", text);
    }
}

/* Every third edge has its duration: 1, 10, 100 ms where the buckets are 1, 2.5 and 5 of each decade. */
static void draw_edge(const struct mr_svg *svg, double x, double seconds)
{
    double exponent = log10(seconds);
    if (!isfinite(seconds) || fabs(exponent - round(exponent)) > 1e-6)
        return;
    mr_svg_line(svg, x, svg->bottom, x, svg->bottom + 4, "edge");
    char text[32];
    snprintf(text, sizeof(text),
             seconds < 0.9999e-3 ? "%.1f ms"
             : seconds < 0.9999  ? "%.0f ms"
                                 : "%.0f s",
             seconds < 0.9999 ? seconds * 1e3 : seconds);
    if (seconds < 0.9999e-4)
        snprintf(text, sizeof(text), "%.0f \xc2\xb5s", seconds * 1e6);
    mr_svg_text(svg, x, svg->bottom + 17, "middle", "tick", text);
}

static void draw_bucket(const struct mr_svg *svg, const struct buckets *buckets, unsigned i)
{
    double share = (double)buckets->samples[i] / (double)buckets->total;
    double x = mr_svg_x(svg, i), height = share * (svg->bottom - svg->top);
    if (buckets->samples[i] == 0)
        return;
    fprintf(svg->out,
            "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" data-upper=\"%.9g\" "
            "data-samples=\"%llu\"><title>",
            x + 0.5, svg->bottom - fmax(height, 1), mr_svg_x(svg, i + 1) - x - 1, fmax(height, 1), buckets->upper[i],
            (unsigned long long)buckets->samples[i]);
    if (isfinite(buckets->upper[i]))
        fprintf(svg->out, "up to %s", mr_lab_duration(buckets->upper[i]).text);
    else
        fputs("more", svg->out);
    fprintf(svg->out, ": %.3g %%</title></rect>\n", 100 * share);
}

void mr_lab_svg_lag(FILE *out, const struct mr_lab_figures *figures, unsigned m)
{
    struct mr_svg svg = panel(out);
    struct buckets buckets;
    unsigned first, end;
    char id[32], description[200];
    svg.top = 10;
    sum_buckets(&buckets, model_of(figures, m));
    find_range(figures, &first, &end);
    svg.x_min = first;
    svg.x_max = end;
    snprintf(id, sizeof(id), "lag-%u", m);
    snprintf(description, sizeof(description), "The loop was late by at most %s in half of the cases, by %s in 99 %%.",
             mr_lab_duration(figures->of[m][MR_LAB_LAG_P50].value).text,
             mr_lab_duration(figures->of[m][MR_LAB_LAG_P99].value).text);
    mr_svg_begin(&svg, id, "Loop lag", description);
    draw_share_axis(&svg);
    for (unsigned i = first; i < end; i++)
        draw_edge(&svg, mr_svg_x(&svg, i + 1), buckets.upper[i]);
    begin_group(out, figures, m);
    for (unsigned i = first; i < end; i++)
        draw_bucket(&svg, &buckets, i);
    fputs("</g>\n", out);
    mr_svg_end(&svg);
}

/* ---- heavy throughput ---- */

#define ROW 36

static void draw_bar(const struct mr_svg *svg, const struct mr_lab_figures *figures, unsigned m,
                     enum mr_lab_figure_id id)
{
    const struct mr_lab_figure *figure = &figures->of[m][id];
    double top = svg->top + ROW * m, bar = top + 18;
    bool is_known = !isnan(figure->value);
    mr_svg_name(svg, svg->left, top + 12, "label", model_of(figures, m)->name, 22);
    mr_svg_text(svg, svg->right, top + 12, "end", is_known ? "value" : "value unknown",
                is_known ? mr_lab_number(figure->value).text : "not measured");
    mr_svg_rect(svg, svg->left, bar, svg->right - svg->left, 8, "track");
    if (!is_known)
        return;
    begin_group(svg->out, figures, m);
    fprintf(svg->out,
            "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"8\" data-figure=\"%s\" "
            "data-value=\"%.12g\" data-model=\"",
            svg->left, bar, mr_svg_x(svg, figure->value) - svg->left, mr_lab_figure_name(id), figure->value);
    mr_markup_write(svg->out, model_of(figures, m)->name);
    fputs("\"/></g>\n", svg->out);
    if (figure->count > 1)
        fprintf(svg->out, "<path class=\"spread\" d=\"M%.1f %.1fv6m0 -3H%.1fm0 -3v6\"/>\n",
                mr_svg_x(svg, figure->lowest), bar + 1, mr_svg_x(svg, figure->highest));
}

void mr_lab_svg_bars(FILE *out, const struct mr_lab_figures *figures, enum mr_lab_stream stream)
{
    enum mr_lab_figure_id id = mr_lab_figure_of_stream(stream);
    unsigned count = figures->result->model_count;
    struct mr_svg svg = panel(out);
    char name[32], description[1200] = "";
    double highest = 0;
    size_t len = 0;
    for (unsigned m = 0; m < count; m++) {
        const struct mr_lab_figure *figure = &figures->of[m][id];
        highest = fmax(highest, figure->count > 0 ? figure->highest : 0);
        if (len < sizeof(description))
            len += (size_t)snprintf(description + len, sizeof(description) - len, "%s%s %s", m == 0 ? "" : ", ",
                                    model_of(figures, m)->name, mr_lab_number(figure->value).text);
    }
    svg.left = 2;
    svg.right = PANEL_WIDTH - 2;
    svg.top = 0;
    svg.height = ROW * fmax(count, 1);
    svg.x_max = highest > 0 ? highest : 1;
    snprintf(name, sizeof(name), "bars-%s", mr_lab_stream_name(stream));
    mr_svg_begin(&svg, name, mr_lab_figure_column(id), description);
    for (unsigned m = 0; m < count; m++)
        draw_bar(&svg, figures, m, id);
    mr_svg_end(&svg);
}
