#include "bench/lab/lab_html.h"
#include "base/assert.h"
#include "base/asset.h"
#include "base/macros.h"
#include "bench/lab/lab_format.h"
#include "bench/lab/lab_json.h"
#include "bench/lab/markup.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const struct mr_asset mr_report_assets[]; /* CMakeLists.txt lists them */

struct page {
    FILE *out;
    const struct mr_lab_figures *figures;
    const struct mr_lab_result *result;
    const struct mr_lab_words *words;
};

static void put(const struct page *page, const char *html)
{
    fputs(html, page->out);
}

/* <tag>text</tag> */
static void element(const struct page *page, const char *tag, const char *text)
{
    fprintf(page->out, "<%s>", tag);
    mr_markup_write(page->out, text);
    fprintf(page->out, "</%s>\n", tag);
}

/* ---- words ---- */

static void write_date(const struct page *page)
{
    time_t seconds = (time_t)(page->result->began_wall / 1000000000u);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
    fputs(text, page->out);
}

static void write_finding(const struct page *page)
{
    mr_markup_write(page->out, page->words->sentences[0].text);
}

static unsigned round_count(const struct mr_lab_result *result)
{
    unsigned most = 0;
    for (unsigned m = 0; m < result->model_count; m++)
        most = MR_MAX(most, result->models[m].round_count);
    return most;
}

static void write_meta(const struct page *page)
{
    const struct mr_lab_result *result = page->result;
    unsigned rounds = round_count(result);
    write_date(page);
    fputs(" \xc2\xb7 ", page->out);
    mr_markup_write(page->out, result->machine);
    fprintf(page->out, " \xc2\xb7 Millrace ");
    mr_markup_write(page->out, result->version);
    fprintf(page->out, " \xc2\xb7 %u model%s, %u round%s each, in turn", result->model_count,
            result->model_count == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s");
}

static const struct {
    const char *topic, *heading;
} topics[] = {{"cost", "What each model costs"},
              {"light", "Light requests"},
              {"fresh", "New connections"},
              {"lag", "The loop itself"},
              {"heavy", "Heavy work"}};

/* The first sentence is the page's heading. */
static void write_topic(const struct page *page, const char *topic, const char *heading)
{
    bool any = false;
    for (unsigned i = 1; i < page->words->count; i++) {
        const struct mr_lab_sentence *sentence = &page->words->sentences[i];
        if (strcmp(sentence->topic, topic) != 0)
            continue;
        if (!any)
            fprintf(page->out, "<dt>%s</dt><dd>", heading);
        any = true;
        put(page, "<p>");
        mr_markup_write(page->out, sentence->text);
        put(page, "</p>");
    }
    put(page, any ? "</dd>\n" : "");
}

static void write_notes(const struct page *page)
{
    put(page, "<aside class=\"notes\"><b>Read with care</b>\n<ul>\n");
    for (unsigned i = 1; i < page->words->count; i++)
        if (mr_lab_sentence_is_note(&page->words->sentences[i]))
            element(page, "li", page->words->sentences[i].text);
    put(page, "</ul></aside>\n");
}

static bool has_notes(const struct page *page)
{
    return page->words->count > 1 && mr_lab_sentence_is_note(&page->words->sentences[page->words->count - 1]);
}

static void write_words(const struct page *page)
{
    put(page, "<dl class=\"words\">\n");
    for (size_t i = 0; i < MR_ARRAY_SIZE(topics); i++)
        write_topic(page, topics[i].topic, topics[i].heading);
    put(page, "</dl>\n");
    if (has_notes(page))
        write_notes(page);
}

/* ---- tables of figures ---- */

struct group {
    const char *heading;
    unsigned from, until; /* figures: [from, until) */
};

static bool is_more_better(enum mr_lab_figure_id id)
{
    return id >= MR_LAB_IMAGE_RATE && id <= MR_LAB_HEAVY;
}

/* Threads and context switches are neither good nor bad, and all models have the same time on the processors. */
static bool has_best(enum mr_lab_figure_id id)
{
    return id < MR_LAB_CPU || id == MR_LAB_RSS;
}

/* Is it the best of the models that may be compared, or does it tie with it? */
static bool is_best(const struct page *page, unsigned m, enum mr_lab_figure_id id)
{
    const struct mr_lab_figure *best = NULL, *own = &page->figures->of[m][id];
    if (!has_best(id) || isnan(own->value) || !mr_lab_model_is_comparable(&page->result->models[m]))
        return false;
    for (unsigned i = 0; i < page->result->model_count; i++) {
        const struct mr_lab_figure *other = &page->figures->of[i][id];
        if (isnan(other->value) || !mr_lab_model_is_comparable(&page->result->models[i]))
            continue;
        if (best == NULL || (is_more_better(id) ? other->value > best->value : other->value < best->value))
            best = other;
    }
    return best == own || mr_lab_figure_ties(best, own);
}

static void write_cell(const struct page *page, unsigned m, enum mr_lab_figure_id id)
{
    const struct mr_lab_figure *figure = &page->figures->of[m][id];
    enum mr_lab_unit unit = mr_lab_figure_unit(id);
    struct mr_lab_text range = mr_lab_range(unit, figure);
    fprintf(page->out, "<td%s data-figure=\"%s\" data-model=\"", is_best(page, m, id) ? " class=\"best\"" : "",
            mr_lab_figure_name(id));
    mr_markup_write(page->out, page->result->models[m].name);
    if (isnan(figure->value))
        put(page, "\">-</td>");
    else
        fprintf(page->out, "\" data-value=\"%.12g\">%s", figure->value, mr_lab_cell(unit, figure->value).text);
    if (!isnan(figure->value) && range.text[0] != '\0')
        fprintf(page->out, "<small>%s</small>", range.text);
    if (!isnan(figure->value))
        put(page, "</td>");
}

static void write_name(const struct page *page, unsigned m)
{
    fprintf(page->out, "<span class=\"swatch m%u\"></span><span class=\"name\">", mr_lab_model_colour(page->result, m));
    mr_markup_write(page->out, page->result->models[m].name);
    put(page, "</span>");
}

static void write_table_head(const struct page *page, const struct group *groups, unsigned count)
{
    put(page, "<thead><tr><td class=\"corner\" rowspan=\"2\"></td>");
    for (unsigned g = 0; g < count; g++)
        fprintf(page->out, "<th scope=\"colgroup\" colspan=\"%u\">%s</th>", groups[g].until - groups[g].from,
                groups[g].heading);
    put(page, "</tr>\n<tr>");
    for (unsigned g = 0; g < count; g++)
        for (unsigned id = groups[g].from; id < groups[g].until; id++)
            fprintf(page->out, "<th scope=\"col\">%s</th>", mr_lab_figure_column((enum mr_lab_figure_id)id));
    put(page, "</tr></thead>\n<tbody>\n");
}

static void begin_table(const struct page *page, const char *label, const char *css)
{
    fprintf(page->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table%s>\n", label,
            css);
}

static void write_table(const struct page *page, const char *label, const struct group *groups, unsigned count)
{
    begin_table(page, label, count == 1 ? " class=\"tight\"" : "");
    write_table_head(page, groups, count);
    for (unsigned m = 0; m < page->result->model_count; m++) {
        put(page, "<tr><th scope=\"row\">");
        write_name(page, m);
        put(page, "</th>");
        for (unsigned g = 0; g < count; g++)
            for (unsigned id = groups[g].from; id < groups[g].until; id++)
                write_cell(page, m, (enum mr_lab_figure_id)id);
        put(page, "</tr>\n");
    }
    put(page, "</tbody></table></div>\n");
}

static void write_legend(const struct page *page)
{
    put(page, "<ul class=\"legend narrow\">");
    for (unsigned m = 0; m < page->result->model_count; m++) {
        put(page, "<li>");
        write_name(page, m);
        put(page, "</li>");
    }
    put(page, "</ul>\n");
}

static void write_latencies(const struct page *page)
{
    static const struct group groups[] = {
        {"Light requests under load, ms", MR_LAB_LIGHT_P50, MR_LAB_LIGHT_MAX + 1},
        {"At rest, ms", MR_LAB_REST_P50, MR_LAB_REST_P99 + 1},
        {"New connections, ms", MR_LAB_FRESH_P50, MR_LAB_FRESH_P99 + 1},
    };
    write_table(page, "Latencies", groups, MR_ARRAY_SIZE(groups));
}

static void write_lags(const struct page *page)
{
    static const struct group groups[] = {{"Loop lag, ms", MR_LAB_LAG_P50, MR_LAB_LAG_MAX + 1}};
    write_table(page, "Loop lag", groups, MR_ARRAY_SIZE(groups));
}

static void write_costs(const struct page *page)
{
    static const struct group groups[] = {
        {"Heavy work", MR_LAB_IMAGE_RATE, MR_LAB_HEAVY + 1},
        {"What it cost", MR_LAB_CPU, MR_LAB_RSS + 1},
        {"Context switches", MR_LAB_VOLUNTARY, MR_LAB_INVOLUNTARY + 1},
        {"Most", MR_LAB_THREADS, MR_LAB_THREADS + 1},
    };
    write_table(page, "Heavy work and its cost", groups, MR_ARRAY_SIZE(groups));
}

/* ---- what was run ---- */

static void write_term(const struct page *page, const char *term, const char *text)
{
    if (text[0] == '\0')
        return;
    element(page, "dt", term);
    element(page, "dd", text);
}

static void write_streams(const struct page *page)
{
    const struct mr_lab_result *result = page->result;
    begin_table(page, "The load", " class=\"prose\"");
    put(page,
        "<thead><tr><th "
        "scope=\"col\">stream</th><th scope=\"col\">request</th><th class=\"n\" scope=\"col\">connections</th><th "
        "class=\"n\" scope=\"col\">rate</th></tr></thead>\n<tbody>\n");
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) {
        enum mr_lab_stream stream = (enum mr_lab_stream)i;
        fprintf(page->out, "<tr><th scope=\"row\">%s</th><td>", mr_lab_stream_name(stream));
        mr_markup_write(page->out, mr_lab_stream_text(stream));
        fprintf(page->out, "</td><td class=\"n\">%u</td><td class=\"n\">", result->connections[i]);
        if (mr_lab_stream_is_heavy(stream))
            put(page, "as fast as answered</td></tr>\n");
        else
            fprintf(page->out, "%g/s</td></tr>\n", stream == MR_LAB_LIGHT ? result->light_rate : result->fresh_rate);
    }
    put(page, "</tbody></table></div>\n");
}

static void write_models(const struct page *page)
{
    begin_table(page, "The models", " class=\"prose\"");
    put(page,
        "<thead><tr><th "
        "scope=\"col\">name</th><th scope=\"col\">what it is</th><th scope=\"col\">what was run</th></tr></thead>\n"
        "<tbody>\n");
    for (unsigned m = 0; m < page->result->model_count; m++) {
        put(page, "<tr><th scope=\"row\">");
        write_name(page, m);
        put(page, "</th><td>");
        mr_markup_write(page->out, page->result->models[m].title);
        put(page, "</td><td><code>");
        mr_markup_write(page->out, page->result->models[m].command);
        put(page, "</code></td></tr>\n");
    }
    put(page, "</tbody></table></div>\n");
}

static void write_run(const struct page *page)
{
    const struct mr_lab_result *result = page->result;
    char text[200];
    put(page, "<dl>\n");
    write_term(page, "Machine", result->machine);
    write_term(page, "Libraries", result->libraries);
    write_term(page, "Picture", result->photo);
    snprintf(text, sizeof(text), "%.3g s; the heavy load from %.3g s to %.3g s", (double)result->round_ns / 1e9,
             (double)result->heavy_from_ns / 1e9, (double)result->heavy_until_ns / 1e9);
    write_term(page, "A round", text);
    snprintf(text, sizeof(text), "%.2f as the lab began", result->load_average);
    write_term(page, "Load average", text);
    put(page, "</dl>\n");
    write_streams(page);
    write_models(page);
}

/* ---- the template ---- */

/* Inside <script>, where a "</script>" or a "<!--" in a name would end it. */
static void embed_json(const struct page *page)
{
    char *text = NULL;
    size_t len = 0;
    FILE *json = open_memstream(&text, &len);
    MR_ASSERT(json != NULL);
    mr_lab_json_write(json, page->figures, page->words);
    MR_ASSERT(fclose(json) == 0);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '<')
            put(page, "\\u003c");
        else
            fputc(text[i], page->out);
    free(text);
}

static const struct mr_asset *find_asset(const char *name)
{
    const struct mr_asset *asset = mr_report_assets;
    while (asset->name != NULL && strcmp(asset->name, name) != 0)
        asset++;
    MR_ASSERT(asset->name != NULL);
    return asset;
}

static void write_asset(const struct page *page, const char *name)
{
    put(page, (const char *)find_asset(name)->bytes);
}

static void write_style(const struct page *page)
{
    write_asset(page, "report.css");
}

static void write_scripts(const struct page *page)
{
    write_asset(page, "charts.js");
    write_asset(page, "report.js");
}

static const struct part {
    const char *name;
    void (*write)(const struct page *page);
} parts[] = {
    {"date", write_date},   {"style", write_style},   {"finding", write_finding},     {"meta", write_meta},
    {"words", write_words}, {"legend", write_legend}, {"latencies", write_latencies}, {"costs", write_costs},
    {"lags", write_lags},   {"run", write_run},       {"json", embed_json},           {"scripts", write_scripts},
};

static void write_part(const struct page *page, const char *name, size_t len)
{
    size_t i = 0;
    while (i < MR_ARRAY_SIZE(parts) && (strlen(parts[i].name) != len || memcmp(parts[i].name, name, len) != 0))
        i++;
    MR_ASSERT(i < MR_ARRAY_SIZE(parts));
    parts[i].write(page);
}

void mr_lab_html_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words)
{
    const struct page page = {.out = out, .figures = figures, .result = figures->result, .words = words};
    const char *at = (const char *)find_asset("report.html")->bytes, *name, *end;
    while ((name = strstr(at, "{{")) != NULL && (end = strstr(name, "}}")) != NULL) {
        fwrite(at, 1, (size_t)(name - at), out);
        write_part(&page, name + 2, (size_t)(end - name - 2));
        at = end + 2;
    }
    put(&page, at);
}
