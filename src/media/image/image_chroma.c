/* DESIGN: coloured edges ask for full resolution of colours: red letters, drawings, icons. Photographs have few of
 * them, and a tenth less bytes without. Only pixels tell, so a picture whose colours may have full resolution is
 * computed before it is encoded, unless it is large: there, a pixel is too small for its colour to be seen. What was
 * stored with halved colours is taken for a photograph and not looked at. */
#include "media/image/image_chroma.h"
#include "media/image/image_run.h"

#include "base/macros.h"

enum {
    STRONG_LEVELS = 20, /* of 256 */
    STRONG_PER_MILLE = 5,
};

/* Cb and Cr, without their middle. */
enum { TINT_UNIT = 256 };
struct tint {
    int blue, red;
};

static struct tint tint_of(const uint8_t *pixel)
{
    return (struct tint){-43 * pixel[0] - 85 * pixel[1] + 128 * pixel[2],
                         128 * pixel[0] - 107 * pixel[1] - 21 * pixel[2]};
}

/* Does one of four values, `unit` to a level, differ much from their mean? */
static bool is_uneven(int a, int b, int c, int d, int unit)
{
    int sum = a + b + c + d;
    int above = 4 * MR_MAX(MR_MAX(a, b), MR_MAX(c, d)) - sum, below = sum - 4 * MR_MIN(MR_MIN(a, b), MR_MIN(c, d));
    return MR_MAX(above, below) > 4 * unit * STRONG_LEVELS;
}

void mr_chroma_edges_add(struct mr_chroma_edges *edges, const uint8_t *row, const uint8_t *below, size_t width,
                         size_t bands)
{
    for (size_t x = 0; x + 2 <= width; x += 2, row += 2 * bands, below += 2 * bands) {
        struct tint a = tint_of(row), b = tint_of(row + bands), c = tint_of(below), d = tint_of(below + bands);
        edges->strong +=
            is_uneven(a.blue, b.blue, c.blue, d.blue, TINT_UNIT) || is_uneven(a.red, b.red, c.red, d.red, TINT_UNIT);
    }
    edges->squares += width / 2;
}

void mr_chroma_edges_add_planes(struct mr_chroma_edges *edges, const uint8_t *blue, const uint8_t *blue_below,
                                const uint8_t *red, const uint8_t *red_below, size_t width)
{
    for (size_t x = 0; x + 2 <= width; x += 2)
        edges->strong += is_uneven(blue[x], blue[x + 1], blue_below[x], blue_below[x + 1], 1) ||
                         is_uneven(red[x], red[x + 1], red_below[x], red_below[x + 1], 1);
    edges->squares += width / 2;
}

bool mr_chroma_edges_show(const struct mr_chroma_edges *edges)
{
    return edges->strong * 1000 > edges->squares * STRONG_PER_MILLE;
}

static int look_at_colours(struct mr_run *run, bool *have_edges)
{
    run->in_memory = run->image->data != NULL; /* auto=format may have looked, too */
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    const VipsImage *image = run->image;
    size_t bands = (size_t)image->Bands, width = (size_t)image->Xsize;
    struct mr_chroma_edges edges = {.strong = 0};
    for (int y = 0; y + 2 <= image->Ysize; y += 2) {
        const uint8_t *row = image->data + (size_t)y * width * bands;
        if (mr_run_is_stopped(run))
            return mr_run_fail(run);
        mr_chroma_edges_add(&edges, row, row + width * bands, width, bands);
    }
    *have_edges = mr_chroma_edges_show(&edges);
    return MR_OK;
}

int mr_run_choose_chroma(struct mr_run *run)
{
    bool have_edges = false;
    if (mr_plan_looks_at_colours(&run->plan, run->ops, &run->scan.info)) {
        int err = look_at_colours(run, &have_edges);
        if (err != MR_OK)
            return err;
    }
    run->halves_colours = !mr_image_ops_wants_full_chroma(run->ops) && !have_edges;
    return MR_OK;
}
