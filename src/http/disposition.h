/* disposition.h -- names of files as clients send them: Content-Disposition of a part of multipart/form-data (RFC 7578,
 * section 4.2), and a name made fit to be kept. mr_fields_content_disposition() (fields.h) writes the field of a
 * response. Pure functions; any thread. */
#ifndef MR_HTTP_DISPOSITION_H
#define MR_HTTP_DISPOSITION_H

#include "base/slice.h"

struct mr_disposition {
    struct mr_slice name;     /* of the form's field; .at NULL: not given */
    struct mr_slice filename; /* as sent, not cleaned; .at NULL: not given, so the part is no file; empty when a
                               * browser's form was sent with no file chosen */
};

/* Read the value of the field: form-data; name="…"; filename="…". Decoded in place, so that the slices of *out point
 * into `value`, whose bytes change. What clients write is read as they mean it:
 *  - raw UTF-8 (not checked), tokens without quotes;
 *  - %22, %0D and %0A stand for '"', CR and LF (the WHATWG form of browsers and curl). No other octet is decoded, as
 *    browsers send a percent sign as it is;
 *  - \" and \\ stand for '"' and '\' (curl before 7.81, libraries). Any other backslash is one: C:\photo.jpg;
 *  - filename* and name* (UTF-8'language'text, RFC 8187) count for more than filename and name. No client should send
 *    them (RFC 7578, section 4.2), but .NET does, requests with an old urllib3, and aiohttp for names of fields; some
 *    have no other form of a name that is not ASCII. One that is malformed is passed over; if it is the only one it is
 *    taken as it is, so that a file stays a file;
 *  - other parameters are passed over.
 * False: malformed, not form-data, or a parameter twice. */
bool mr_disposition_parse(char *value, size_t len, struct mr_disposition *out);

/* Cut the next character off a name, as UTF-8. A control, and an octet that is no UTF-8, is "_". `rest` is not empty.
 */
struct mr_slice mr_disposition_next_character(struct mr_slice *rest);

#define MR_DISPOSITION_NAME_MAX 255 /* bytes of a cleaned name */

/* Make a name fit to be kept: what stands behind the last slash or backslash (old browsers send a whole path), controls
 * and octets that are no UTF-8 as '_', at most MR_DISPOSITION_NAME_MAX bytes, cut at a character. Returns its length,
 * without a NUL; 0 means that nothing is left of it: it was empty, or "." or "..". */
size_t mr_disposition_clean_name(char out[MR_DISPOSITION_NAME_MAX], struct mr_slice name);

#endif
