#include "bench/lab/svg.h"
#include "bench/lab/markup.h"
#include <math.h>
#include <stddef.h>

void mr_svg_begin(const struct mr_svg *svg, const char *id, const char *title, const char *description)
{
    fprintf(svg->out,
            "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
            "<title id=\"%s-t\">",
            svg->width, svg->height, svg->width, svg->height, id, id, id);
    mr_markup_write(svg->out, title);
    fprintf(svg->out, "</title><desc id=\"%s-d\">", id);
    mr_markup_write(svg->out, description);
    fputs("</desc>\n", svg->out);
}

void mr_svg_end(const struct mr_svg *svg)
{
    fputs("</svg>\n", svg->out);
}

double mr_svg_x(const struct mr_svg *svg, double x)
{
    return svg->left + (x - svg->x_min) / (svg->x_max - svg->x_min) * (svg->right - svg->left);
}

double mr_svg_y(const struct mr_svg *svg, double seconds)
{
    double within = fmin(fmax(seconds, svg->y_min), svg->y_max);
    double share = log(within / svg->y_min) / log(svg->y_max / svg->y_min);
    return svg->bottom - share * (svg->bottom - svg->top);
}

/* The next of 1, 2, 5, 10, 20 ... */
static double step(double value)
{
    double decade = pow(10, floor(log10(value) + 1e-9));
    double digit = round(value / decade);
    return decade * (digit < 2 ? 2 : digit < 5 ? 5 : 10);
}

void mr_svg_fit_y(struct mr_svg *svg, double lowest, double highest)
{
    svg->y_min = pow(10, floor(log10(lowest)));
    while (step(svg->y_min) <= lowest)
        svg->y_min = step(svg->y_min);
    svg->y_max = step(svg->y_min);
    while (svg->y_max < highest)
        svg->y_max = step(svg->y_max);
}

static bool is_decade(double value)
{
    double exponent = log10(value);
    return fabs(exponent - round(exponent)) < 1e-6;
}

static void draw_tick(const struct mr_svg *svg, double value, bool has_text)
{
    char text[32];
    const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    const double sizes[] = {1e-9, 1e-6, 1e-3, 1};
    int unit = value >= 0.9999 ? 3 : value >= 0.9999e-3 ? 2 : value >= 0.9999e-6 ? 1 : 0;
    double y = mr_svg_y(svg, value);
    mr_svg_line(svg, svg->left, y, svg->right, y, has_text ? "grid" : "grid faint");
    snprintf(text, sizeof(text), "%.0f %s", value / sizes[unit], units[unit]);
    if (has_text)
        mr_svg_text(svg, svg->left - 7, y + 4, "end", "tick", text);
}

void mr_svg_draw_y_axis(const struct mr_svg *svg)
{
    /* Two decades have texts enough; where there are fewer, 2 and 5 get one, too. */
    bool is_short = svg->y_max / svg->y_min < 30;
    double value = svg->y_min;
    while (value <= svg->y_max * 1.001) {
        draw_tick(svg, value, is_short || is_decade(value));
        value = step(value);
    }
}

void mr_svg_text(const struct mr_svg *svg, double x, double y, const char *anchor, const char *css, const char *text)
{
    fprintf(svg->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, css);
    mr_markup_write(svg->out, text);
    fputs("</text>\n", svg->out);
}

/* Bytes of the first `length` characters. */
static size_t length_of(const char *text, unsigned length)
{
    size_t at = 0;
    for (; text[at] != '\0' && length > 0; length--)
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

void mr_svg_name(const struct mr_svg *svg, double x, double y, const char *css, const char *name, unsigned length)
{
    char text[160];
    if (name[length_of(name, length)] == '\0')
        snprintf(text, sizeof(text), "%s", name);
    else
        snprintf(text, sizeof(text), "%.*s\xe2\x80\xa6", (int)length_of(name, length - 1), name);
    mr_svg_text(svg, x, y, "start", css, text);
}

void mr_svg_line(const struct mr_svg *svg, double x1, double y1, double x2, double y2, const char *css)
{
    fprintf(svg->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, css);
}

void mr_svg_rect(const struct mr_svg *svg, double x, double y, double width, double height, const char *css)
{
    fprintf(svg->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y, width,
            height, css);
}
