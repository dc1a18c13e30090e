/* icc.h -- private to the image stage: which colour profiles are handed to a colour library. */
#ifndef MR_MEDIA_ICC_H
#define MR_MEDIA_ICC_H

#include "media/scan/scan.h"

/* Is the profile (ICC.1) small, and can it be evaluated with little work for each colour? A library evaluates it for
 * every point of a grid before the first pixel, in one call that cannot be stopped. Refused are:
 *   - more than 4 MiB, or more than 100 tags;
 *   - a multiProcessElements tag (`mpet`) with more than 16 elements, or with an element of more than 16 channels, a
 *     lookup table of more than 4 inputs, or curves of more than 256 segments together.
 * All other structures cost the same whatever they say: their number is fixed, and a table is one lookup. Whether the
 * profile is right is not looked at. The work is bounded. Pure; any thread. */
bool mr_icc_is_cheap(struct mr_view profile);

#endif
