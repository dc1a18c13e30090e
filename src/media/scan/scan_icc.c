/* DESIGN: sRGB comes in dozens of profiles, under any name. What counts is what a profile does: its three primaries and
 * the curves of its channels (ICC.1:2022, 8.3.3), compared with those of sRGB (IEC 61966-2-1) as adapted to D50. A
 * profile with a table of colours is not looked at further: readers prefer the table. */
#include "media/scan/scan.h"

#include "base/macros.h"

#include <math.h>
#include <string.h>

enum { TAGS_AT = 128, TAGS_MAX = 100, TAG_LEN = 12, SAMPLES = 32 };
static const double primary_difference = 0.002; /* of X, Y and Z; the profiles in use differ by 0.0003 */
static const double level_difference = 0.75 / 255;

static bool has_text(struct mr_view view, size_t offset, const char *four)
{
    return mr_view_has(view, offset, 4) && memcmp(view.at + offset, four, 4) == 0;
}

/* The element of the tag with this signature; NULL: there is none. */
static struct mr_view find_tag(struct mr_view profile, const char *signature)
{
    uint32_t count = MR_MIN(mr_read_be32(profile.at + TAGS_AT), (uint32_t)TAGS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = TAGS_AT + 4 + (size_t)i * TAG_LEN;
        if (!mr_view_has(profile, at, TAG_LEN))
            break;
        size_t offset = mr_read_be32(profile.at + at + 4), len = mr_read_be32(profile.at + at + 8);
        if (has_text(profile, at, signature) && mr_view_has(profile, offset, len))
            return mr_view_part(profile, offset, len);
    }
    return (struct mr_view){.at = NULL};
}

static double fixed_at(struct mr_view element, size_t offset)
{
    return (int32_t)mr_read_be32(element.at + offset) / 65536.0;
}

static bool is_primary(struct mr_view element, const double wanted[3])
{
    bool is_near = has_text(element, 0, "XYZ ") && mr_view_has(element, 8, 12);
    for (size_t i = 0; is_near && i < 3; i++)
        is_near = fabs(fixed_at(element, 8 + 4 * i) - wanted[i]) <= primary_difference;
    return is_near;
}

/* Of sRGB: light, 0 to 1, and the level that it is stored as. */
static double level_of_light(double light)
{
    return light <= 0.0031308 ? light * 12.92 : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* The light that a curve makes of a level; below 0: a curve of another kind. */
static double light_of_level(struct mr_view curve, double level)
{
    if (has_text(curve, 0, "curv") && mr_view_has(curve, 8, 4)) {
        uint32_t count = mr_read_be32(curve.at + 8);
        if (count < 2 || count > 65536 || !mr_view_has(curve, 12, 2 * (size_t)count))
            return -1;
        double place = level * (count - 1);
        size_t below = (size_t)place, above = MR_MIN(below + 1, (size_t)count - 1);
        double low = mr_read_be16(curve.at + 12 + 2 * below), high = mr_read_be16(curve.at + 12 + 2 * above);
        return (low + (high - low) * (place - (double)below)) / 65535;
    }
    if (!has_text(curve, 0, "para") || !mr_view_has(curve, 12, 20) || mr_read_be16(curve.at + 8) != 3)
        return -1;
    double power = fixed_at(curve, 12), slope = fixed_at(curve, 16), offset = fixed_at(curve, 20);
    double linear = fixed_at(curve, 24), bend = fixed_at(curve, 28);
    return level >= bend ? pow(MR_MAX(slope * level + offset, 0.0), power) : linear * level;
}

static bool is_curve(struct mr_view curve)
{
    for (int i = 0; i <= SAMPLES; i++) {
        double level = (double)i / SAMPLES, light = light_of_level(curve, level);
        if (!(light >= 0) || !(fabs(level_of_light(light) - level) <= level_difference))
            return false;
    }
    return true;
}

bool mr_scan_is_srgb(struct mr_view profile)
{
    static const struct {
        char primary[5], curve[5];
        double xyz[3];
    } channels[] = {{"rXYZ", "rTRC", {0.4361, 0.2225, 0.0139}},
                    {"gXYZ", "gTRC", {0.3851, 0.7169, 0.0971}},
                    {"bXYZ", "bTRC", {0.1431, 0.0606, 0.7139}}};
    static const char *const tables[] = {"A2B0", "A2B1", "D2B0", "D2B1"};
    if (!mr_view_has(profile, TAGS_AT, 4) || !has_text(profile, 16, "RGB ") || !has_text(profile, 20, "XYZ "))
        return false;
    for (size_t i = 0; i < MR_ARRAY_SIZE(tables); i++)
        if (find_tag(profile, tables[i]).at != NULL)
            return false;
    const uint8_t *seen = NULL; /* mostly one curve for all three */
    for (size_t i = 0; i < MR_ARRAY_SIZE(channels); i++) {
        struct mr_view curve = find_tag(profile, channels[i].curve);
        if (!is_primary(find_tag(profile, channels[i].primary), channels[i].xyz))
            return false;
        if (curve.at == NULL || (curve.at != seen && !is_curve(curve)))
            return false;
        seen = curve.at;
    }
    return true;
}
