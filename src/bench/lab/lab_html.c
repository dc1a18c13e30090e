#include "bench/lab/lab_html.h"
#include "base/macros.h"
#include "bench/lab/lab_format.h"
#include "bench/lab/lab_svg.h"
#include "bench/lab/markup.h"
#include <math.h>
#include <string.h>
#include <time.h>

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

static void begin_section(const struct page *page, const char *heading, const char *lead)
{
    fputs("\n<section>\n", page->out);
    element(page, "h2", heading);
    if (lead != NULL)
        fprintf(page->out, "<p class=\"lead\">%s</p>\n", lead);
}

/* ---- head and words ---- */

static void write_date(const struct page *page)
{
    time_t seconds = (time_t)(page->result->began_wall / 1000000000u);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
    fputs(text, page->out);
}

static void write_head(const struct page *page)
{
    put(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
              "<title>Latency lab, ");
    write_date(page);
    fprintf(page->out, "</title>\n<style>\n%s</style>\n</head>\n", mr_lab_style);
}

static unsigned round_count(const struct mr_lab_result *result)
{
    unsigned most = 0;
    for (unsigned m = 0; m < result->model_count; m++)
        most = MR_MAX(most, result->models[m].round_count);
    return most;
}

static void write_header(const struct page *page)
{
    const struct mr_lab_result *result = page->result;
    unsigned rounds = round_count(result);
    put(page, "<body>\n<main>\n<header>\n<p class=\"kicker\">Millrace latency lab</p>\n");
    element(page, "h1", page->words->sentences[0].text);
    put(page, "<p class=\"meta\">");
    write_date(page);
    fputs(" \xc2\xb7 ", page->out);
    mr_markup_write(page->out, result->machine);
    fprintf(page->out, " \xc2\xb7 Millrace ");
    mr_markup_write(page->out, result->version);
    fprintf(page->out, " \xc2\xb7 %u model%s, %u round%s each, in turn</p>\n</header>\n", result->model_count,
            result->model_count == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s");
}

static const struct {
    const char *topic, *heading;
} topics[] = {
    {"light", "Light requests"}, {"fresh", "New connections"}, {"lag", "The loop itself"}, {"heavy", "Heavy work"}};

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
    fprintf(page->out, "<span class=\"swatch m%u\"></span><span class=\"name\">", mr_lab_svg_colour(page->figures, m));
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

static void write_caption(const struct page *page, const char *html)
{
    fprintf(page->out, "<p class=\"caption\">%s</p>\n", html);
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

/* ---- the sections ---- */

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

static void write_latency(const struct page *page)
{
    static const struct group groups[] = {
        {"Light requests under load, ms", MR_LAB_LIGHT_P50, MR_LAB_LIGHT_MAX + 1},
        {"At rest, ms", MR_LAB_REST_P50, MR_LAB_REST_P99 + 1},
        {"New connections, ms", MR_LAB_FRESH_P50, MR_LAB_FRESH_P99 + 1},
    };
    begin_section(
        page, "How long light requests took",
        "While the heavy load ran. Lower is better; each line up is a power of ten. A curve says which share of "
        "the requests (below) was answered within which time (left). It ends where fewer than ten requests "
        "were slower, and is thin where only all rounds together have as many.");
    put(page, "<figure><div class=\"wide\">");
    mr_lab_svg_percentiles(page->out, page->figures, 990);
    put(page, "</div>\n");
    write_legend(page);
    put(page, "<div class=\"narrow\">");
    mr_lab_svg_percentiles(page->out, page->figures, MR_LAB_SVG_NARROW);
    put(page, "</div></figure>\n");
    write_caption(page,
                  "The median of the rounds, and below it the lowest and the highest. Bold: the best, and what ties "
                  "with it.");
    write_table(page, "Latencies", groups, MR_ARRAY_SIZE(groups));
    put(page, "</section>\n");
}

static void write_panel_heading(const struct page *page, unsigned m)
{
    put(page, "<h3>");
    write_name(page, m);
    put(page, "<small>");
    mr_markup_write(page->out, page->result->models[m].title);
    put(page, "</small></h3>\n");
}

static void write_timelines(const struct page *page)
{
    begin_section(
        page, "What the heavy load does to them",
        "Light requests over the time of a round: the line is the median of each tenth of a second, the tinted "
        "column above it reaches up to the slowest request. All rounds lie over each other.");
    put(page, "<div class=\"grid3\">\n");
    for (unsigned m = 0; m < page->result->model_count; m++) {
        put(page, "<figure>");
        write_panel_heading(page, m);
        mr_lab_svg_timeline(page->out, page->figures, m);
        put(page, "</figure>\n");
    }
    put(page, "</div>\n</section>\n");
}

static void write_lag(const struct page *page)
{
    static const struct group groups[] = {{"Loop lag, ms", MR_LAB_LAG_P50, MR_LAB_LAG_MAX + 1}};
    bool any = false;
    for (unsigned m = 0; m < page->result->model_count; m++)
        any |= mr_lab_svg_has_lag(page->figures, m);
    if (!any)
        return;
    begin_section(
        page, "How late the loop ran",
        "The server's own probe: a timer that should fire every 2 ms, and how late it did. The height of a bar is "
        "the share of the ticks that were that late, over the whole round. A server without an event loop, and "
        "a foreign one, has no such probe.");
    put(page, "<div class=\"grid3\">\n");
    for (unsigned m = 0; m < page->result->model_count; m++) {
        if (!mr_lab_svg_has_lag(page->figures, m))
            continue;
        put(page, "<figure>");
        write_panel_heading(page, m);
        mr_lab_svg_lag(page->out, page->figures, m);
        put(page, "</figure>\n");
    }
    put(page, "</div>\n");
    write_table(page, "Loop lag", groups, MR_ARRAY_SIZE(groups));
    put(page, "</section>\n");
}

static void write_heavy(const struct page *page)
{
    static const char *const headings[] = {
        [MR_LAB_IMAGE] = "Images resized a second",
        [MR_LAB_GZIP] = "gzip, MiB/s",
        [MR_LAB_ENCRYPT] = "Encryption, MiB/s",
    };
    static const struct group groups[] = {
        {"Heavy work", MR_LAB_IMAGE_RATE, MR_LAB_HEAVY + 1},
        {"What it cost", MR_LAB_CPU, MR_LAB_RSS + 1},
        {"Context switches", MR_LAB_VOLUNTARY, MR_LAB_INVOLUNTARY + 1},
        {"Most", MR_LAB_THREADS, MR_LAB_THREADS + 1},
    };
    begin_section(page, "How much heavy work was done",
                  "All three kinds at once, on connections that ask again as soon as they have their answer. Higher is "
                  "better; the bars begin at zero, the mark spans the rounds.");
    put(page, "<div class=\"grid3\">\n");
    for (unsigned stream = MR_LAB_IMAGE; stream < MR_LAB_STREAM_COUNT; stream++) {
        put(page, "<figure>");
        element(page, "h3", headings[stream]);
        mr_lab_svg_bars(page->out, page->figures, (enum mr_lab_stream)stream);
        put(page, "</figure>\n");
    }
    put(page, "</div>\n");
    write_caption(
        page,
        "While the heavy load ran. <i>Together</i> is the geometric mean of the three kinds, as a share of the best "
        "model's.");
    write_table(page, "Heavy work and its cost", groups, MR_ARRAY_SIZE(groups));
    put(page, "</section>\n");
}

/* ---- what was run, and how to read it ---- */

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
    begin_section(page, "What was run", NULL);
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
    put(page, "</section>\n");
}

static void write_reading(const struct page *page)
{
    begin_section(page, "How to read it", NULL);
    put(page,
        "<ul class=\"text\">\n"
        "<li><b>Latency</b> runs from the moment at which a request was meant to leave, not from when the server had "
        "time "
        "for it. A server that stands still for a second makes a thousand requests slow here, as it would for a "
        "thousand visitors; a generator that waits for its answers would have seen one.</li>\n"
        "<li><b>p99</b> is the time within which 99 % were answered. With a hundred requests behind a page, that is "
        "what "
        "one of them takes. A percentile with fewer than ten slower requests is noise with a name: it stands as a "
        "dash.</li>\n"
        "<li>A figure is the <b>median of the rounds</b> with the lowest and the highest. A percentile that no round "
        "alone "
        "can tell is that of all rounds together, without a range. <i>max</i> is the slowest of all rounds.</li>\n"
        "<li>A <b>tie</b>: within 10 % of each other, or the rounds of one reach into those of the other.</li>\n"
        "<li><b>New connections</b>: requests whose connection is opened when none is free; opening it is part of "
        "their "
        "latency. All other light requests use connections that were open before.</li>\n"
        "<li>The models take turns, each round beginning with another one, so that what changes on the machine meets "
        "all "
        "of them.</li>\n"
        "</ul>\n</section>\n");
    begin_section(page, "What it cannot show", NULL);
    put(page,
        "<ul class=\"text\">\n"
        "<li>The load generator shares the machine with the server and takes time from it; a round in which it could "
        "not "
        "keep up is named above.</li>\n"
        "<li>Everything goes over loopback: no network, no slow clients, no packet is lost.</li>\n"
        "<li>The heavy load is closed: it asks for more when it has been answered, so a faster model is given more "
        "work. Its "
        "light requests are quick <i>beside</i> that work, not for want of it.</li>\n"
        "<li>Latencies are good to 3 %, the width of a histogram's cell. The range of a few rounds is no confidence "
        "interval.</li>\n"
        "<li>A light request here costs next to nothing. What shares its loop with costly handlers of its own gains "
        "less "
        "from moving the heavy ones away.</li>\n"
        "</ul>\n</section>\n");
}

void mr_lab_html_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words)
{
    const struct page page = {.out = out, .figures = figures, .result = figures->result, .words = words};
    write_head(&page);
    write_header(&page);
    write_words(&page);
    write_latency(&page);
    write_timelines(&page);
    write_heavy(&page);
    write_lag(&page);
    write_run(&page);
    write_reading(&page);
    put(&page,
        "<footer>Written by millrace-bench lab. The same numbers, and those of each round: report.json; histograms: "
        "the .hgrm files.</footer>\n</main>\n</body>\n</html>\n");
}
