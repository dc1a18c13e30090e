/* DESIGN: the profile is a header, a table of tags, and behind it what they point to: colours of the primaries as XYZ
 * for D50 (adapted by Bradford's matrix, as ICC.1 recommends), and a curve as a table. */
#include "media/image/icc_make.h"

#include "base/macros.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 128,
    TAG_LEN = 12,
    XYZ_LEN = 20,
    CURVE_STEPS = 4096,
    CURVE_HEAD = 12,
    SRGB_GAMMA = 45455,
    GAMMA_NEAR = SRGB_GAMMA / 20,
    PLACE_NEAR = 1000, /* 0.01 of x or y */
};

/* Code points of ITU-T H.273. */
enum {
    PRIMARIES_2020 = 9,
    PRIMARIES_DCI = 11,
    PRIMARIES_P3 = 12,
    TRANSFER_GAMMA_22 = 4,
    TRANSFER_GAMMA_28 = 5,
    TRANSFER_LINEAR = 8,
    TRANSFER_PQ = 16,
    TRANSFER_HLG = 18,
};

#define HDR_WHITE 203.0  /* cd/m2: paper, */
#define HDR_PEAK  1000.0 /* and the brightest light of a usual picture */

/* White, red, green, blue: x and y of each, times 100000, as a PNG's cHRM. */
static const uint32_t srgb_places[8] = {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000};

static const uint32_t *places_of(const struct mr_image_colours *colours)
{
    static const uint32_t wide[8] = {31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600};
    static const uint32_t cinema[8] = {31400, 35100, 68000, 32000, 26500, 69000, 15000, 6000};
    static const uint32_t p3[8] = {31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000};
    switch (colours->primaries) {
    case PRIMARIES_2020:
        return wide;
    case PRIMARIES_DCI:
        return cinema;
    case PRIMARIES_P3:
        return p3;
    default:
        return colours->places[1] != 0 ? colours->places : srgb_places;
    }
}

static bool has_own_curve(const struct mr_image_colours *colours)
{
    switch (colours->transfer) {
    case TRANSFER_GAMMA_22:
    case TRANSFER_GAMMA_28:
    case TRANSFER_LINEAR:
    case TRANSFER_PQ:
    case TRANSFER_HLG:
        return true;
    default:
        return colours->gamma != 0 && labs((long)colours->gamma - SRGB_GAMMA) > GAMMA_NEAR;
    }
}

bool mr_icc_is_needed(const struct mr_image_colours *colours)
{
    const uint32_t *places = places_of(colours);
    for (int i = 0; i < 8; i++)
        if (labs((long)places[i] - (long)srgb_places[i]) > PLACE_NEAR)
            return true;
    return has_own_curve(colours);
}

/* ---- curves: of a value the light, both from 0 to 1 ---- */

/* Of light with paper at 1: the brightest becomes 1. */
static double brought_down(double light)
{
    const double peak = HDR_PEAK / HDR_WHITE;
    light = MR_MIN(light, peak);
    return light * (1 + light / (peak * peak)) / (1 + light);
}

/* SMPTE ST 2084. */
static double light_of_pq(double value)
{
    const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128, c3 = 2392.0 / 128;
    double power = pow(value, 1 / m2);
    return brought_down(pow(MR_MAX(power - c1, 0.0) / (c2 - c3 * power), 1 / m1) * 10000 / HDR_WHITE);
}

/* ITU-R BT.2100, on a screen of 1000 cd/m2: whose gamma is taken of each colour by itself. */
static double light_of_hlg(double value)
{
    const double a = 0.17883277, b = 0.28466892, c = 0.55991073;
    double scene = value <= 0.5 ? value * value / 3 : (exp((value - c) / a) + b) / 12;
    return brought_down(pow(scene, 1.2) * HDR_PEAK / HDR_WHITE);
}

static double light_of(const struct mr_image_colours *colours, double value)
{
    switch (colours->transfer) {
    case TRANSFER_GAMMA_22:
        return pow(value, 2.2);
    case TRANSFER_GAMMA_28:
        return pow(value, 2.8);
    case TRANSFER_LINEAR:
        return value;
    case TRANSFER_PQ:
        return light_of_pq(value);
    case TRANSFER_HLG:
        return light_of_hlg(value);
    default:
        break;
    }
    if (has_own_curve(colours))
        return pow(value, 100000.0 / colours->gamma);
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

/* ---- primaries ---- */

struct mat {
    double at[3][3];
};

static struct mat product(const struct mat *a, const struct mat *b)
{
    struct mat out = {0};
    for (int i = 0; i < 27; i++)
        out.at[i / 9][i / 3 % 3] += a->at[i / 9][i % 3] * b->at[i % 3][i / 3 % 3];
    return out;
}

/* By cofactors. False: there is none. */
static bool invert(struct mat *out, const struct mat *in)
{
    const double(*m)[3] = in->at;
    double determinant = 0;
    for (int i = 0; i < 3; i++)
        determinant += m[0][i] * (m[1][(i + 1) % 3] * m[2][(i + 2) % 3] - m[1][(i + 2) % 3] * m[2][(i + 1) % 3]);
    if (!(fabs(determinant) > 1e-6))
        return false;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++) {
            int r1 = (column + 1) % 3, r2 = (column + 2) % 3, c1 = (row + 1) % 3, c2 = (row + 2) % 3;
            out->at[row][column] = (m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]) / determinant;
        }
    return true;
}

static void times_vector(double out[3], const struct mat *a, const double in[3])
{
    for (int row = 0; row < 3; row++)
        out[row] = a->at[row][0] * in[0] + a->at[row][1] * in[1] + a->at[row][2] * in[2];
}

/* Take white to D50. */
static bool adapt(struct mat *out, const double white[3])
{
    static const double d50[3] = {0.9642, 1, 0.8249};
    static const struct mat bradford = {
        {{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}};
    struct mat back, scale = {0};
    double from[3], to[3];
    times_vector(from, &bradford, white);
    times_vector(to, &bradford, d50);
    for (int i = 0; i < 3; i++) {
        if (!(from[i] > 1e-3))
            return false;
        scale.at[i][i] = to[i] / from[i];
    }
    if (!invert(&back, &bradford))
        return false;
    scale = product(&scale, &bradford);
    *out = product(&back, &scale);
    return true;
}

static bool to_xyz(double out[3], const uint32_t place[2])
{
    double x = place[0] / 100000.0, y = place[1] / 100000.0;
    if (!(y > 1e-3 && x + y <= 1.001))
        return false;
    out[0] = x / y;
    out[1] = 1;
    out[2] = (1 - x - y) / y;
    return true;
}

/* Column by column what the primaries are for D50. */
static bool find_colorants(struct mat *out, const uint32_t places[8])
{
    struct mat primaries, inverse, adaption;
    double white[3], amounts[3], column[3];
    if (!to_xyz(white, places))
        return false;
    for (int i = 0; i < 3; i++) {
        if (!to_xyz(column, places + 2 + (ptrdiff_t)2 * i))
            return false;
        for (int row = 0; row < 3; row++)
            primaries.at[row][i] = column[row];
    }
    if (!invert(&inverse, &primaries) || !adapt(&adaption, white))
        return false;
    times_vector(amounts, &inverse, white);
    for (int i = 0; i < 9; i++)
        primaries.at[i / 3][i % 3] *= amounts[i % 3];
    *out = product(&adaption, &primaries);
    for (int i = 0; i < 9; i++)
        if (!(fabs(out->at[i / 3][i % 3]) < 4))
            return false;
    return true;
}

/* ---- the file ---- */

static void write_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void write_signature(uint8_t *at, const char *signature)
{
    memcpy(at, signature, 4);
}

static void write_xyz(uint8_t *at, double x, double y, double z)
{
    const double values[3] = {x, y, z};
    write_signature(at, "XYZ ");
    for (size_t i = 0; i < 3; i++)
        write_be32(at + 8 + 4 * i, (uint32_t)(int32_t)lround(values[i] * 65536));
}

static void write_light_curve(uint8_t *at, const struct mr_image_colours *colours)
{
    write_signature(at, "curv");
    write_be32(at + 8, CURVE_STEPS);
    for (size_t i = 0; i < CURVE_STEPS; i++) {
        double light = light_of(colours, (double)i / (CURVE_STEPS - 1));
        uint32_t value = (uint32_t)lround(MR_MIN(MR_MAX(light, 0.0), 1.0) * 65535);
        at[CURVE_HEAD + 2 * i] = (uint8_t)(value >> 8);
        at[CURVE_HEAD + 2 * i + 1] = (uint8_t)value;
    }
}

static void write_header(uint8_t *out, size_t len, bool is_grey)
{
    write_be32(out, (uint32_t)len);
    write_be32(out + 8, 0x02400000);
    write_signature(out + 12, "mntr");
    write_signature(out + 16, is_grey ? "GRAY" : "RGB ");
    write_signature(out + 20, "XYZ ");
    write_signature(out + 36, "acsp");
    write_xyz(out + 60, 0.9642, 1, 0.8249);
    memset(out + 60, 0, 8); /* it is a number without a type, at 68 */
}

static void write_profile_tag(uint8_t *out, size_t index, const char *name, size_t at, size_t len)
{
    uint8_t *tag = out + HEADER + 4 + index * TAG_LEN;
    write_signature(tag, name);
    write_be32(tag + 4, (uint32_t)at);
    write_be32(tag + 8, (uint32_t)len);
}

size_t mr_icc_make(uint8_t out[MR_ICC_MADE_MAX], const struct mr_image_colours *colours, bool is_grey)
{
    static const char *const curves[] = {"rTRC", "gTRC", "bTRC"}, *const colorants[] = {"rXYZ", "gXYZ", "bXYZ"};
    const size_t tags = is_grey ? 2 : 7, curve_len = CURVE_HEAD + 2 * CURVE_STEPS;
    size_t at = HEADER + 4 + tags * TAG_LEN;
    struct mat xyz = {0};
    if (!is_grey && !find_colorants(&xyz, places_of(colours)))
        return 0;
    memset(out, 0, MR_ICC_MADE_MAX);
    write_be32(out + HEADER, (uint32_t)tags);
    write_profile_tag(out, 0, "wtpt", at, XYZ_LEN);
    write_xyz(out + at, 0.9642, 1, 0.8249);
    at += XYZ_LEN;
    for (size_t i = 0; i < 3 && !is_grey; i++, at += XYZ_LEN) {
        write_profile_tag(out, 1 + i, colorants[i], at, XYZ_LEN);
        write_xyz(out + at, xyz.at[0][i], xyz.at[1][i], xyz.at[2][i]);
    }
    for (size_t i = 0; i < 3 && !is_grey; i++)
        write_profile_tag(out, 4 + i, curves[i], at, curve_len);
    if (is_grey)
        write_profile_tag(out, 1, "kTRC", at, curve_len);
    write_light_curve(out + at, colours);
    write_header(out, at + curve_len, is_grey);
    return at + curve_len;
}
