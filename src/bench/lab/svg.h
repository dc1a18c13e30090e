/* svg.h -- the little that plots need of SVG: a frame with two scales, grid lines, texts and paths.
 *
 * Nothing here has a colour: elements carry classes ("grid", "axis", "label", ...) and the page's style sheet, with
 * its light and dark mode, paints them. One user unit is one CSS pixel where there is room. */
#ifndef MR_BENCH_SVG_H
#define MR_BENCH_SVG_H

#include <stdbool.h>
#include <stdio.h>

struct mr_svg {
    FILE *out;
    double width, height;
    double left, right, top, bottom; /* where the plot's area lies */
    double x_min, x_max;             /* linear */
    double y_min, y_max;             /* seconds, logarithmic; powers of ten times 1, 2 or 5 */
};

/* Open the element; title and description are for who cannot see it. `id` is unique on the page. */
void mr_svg_begin(const struct mr_svg *svg, const char *id, const char *title, const char *description);
void mr_svg_end(const struct mr_svg *svg);

double mr_svg_x(const struct mr_svg *svg, double x);
/* Clamped to the area, so that a zero has a place on the logarithmic axis. */
double mr_svg_y(const struct mr_svg *svg, double seconds);

/* Let the y axis reach around the values, both above 0. */
void mr_svg_fit_y(struct mr_svg *svg, double lowest, double highest);
/* Horizontal lines and their durations. */
void mr_svg_draw_y_axis(const struct mr_svg *svg);

/* anchor: "start", "middle" or "end". The text is escaped. */
void mr_svg_text(const struct mr_svg *svg, double x, double y, const char *anchor, const char *css, const char *text);
/* The same, cut to so many characters, the last of them an ellipsis: names may be long. */
void mr_svg_name(const struct mr_svg *svg, double x, double y, const char *css, const char *name, unsigned length);
void mr_svg_line(const struct mr_svg *svg, double x1, double y1, double x2, double y2, const char *css);
void mr_svg_rect(const struct mr_svg *svg, double x, double y, double width, double height, const char *css);

#endif
