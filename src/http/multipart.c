/* DESIGN. Content is searched for CR LF "--" boundary, whose first octet stands nowhere else in it: a search that fails
 * goes on at the octet that did not match, and never looks back. What a slice ends with, and could be the beginning of
 * the delimiter, is kept as a number of octets that matched. If it was none then those octets are content, and are
 * handed over from the delimiter's own text.
 *
 * The CR LF of a delimiter may be the one that ends the head, or the beginning of the body: there it counts as matched
 * already, and is no content (`skipped`). */
#include "http/multipart.h"
#include "base/assert.h"
#include "base/macros.h"
#include "http/chars.h"
#include "http/disposition.h"
#include <stdlib.h>

enum multipart_state {
    PREAMBLE, /* as CONTENT, but for the receiver */
    CONTENT,
    DELIMITER_END,     /* behind CR LF "--" boundary */
    DELIMITER_PADDING, /* behind blanks after it */
    DELIMITER_LF,      /* behind its CR */
    PART_HEAD,
    CLOSING_DASH,    /* behind the first "-" after the boundary */
    CLOSING_PADDING, /* behind the second one: the body is complete */
    CLOSING_LF,
    EPILOGUE,
};

static int refuse_multipart(struct mr_fault *fault, const char *detail)
{
    return mr_fault_set(fault, MR_EMULTIPART, "%s", detail);
}

/* ---- the boundary ---- */

bool mr_multipart_is_form(struct mr_slice content_type)
{
    return mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&content_type, ';')), "multipart/form-data");
}

/* bchars (RFC 2046, section 5.1.1) */
static bool is_boundary_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static bool is_boundary(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_boundary_char(text.at[i]))
            return false;
    return text.len > 0 && text.len <= MR_MULTIPART_BOUNDARY_MAX && text.at[text.len - 1] != ' ';
}

/* Without quotes it should be a token. Clients leave them out for some of the others too ("=" and "/" mostly), which
 * nothing can be confused with, but for blanks. */
static bool read_boundary(struct mr_slice value, struct mr_slice *out)
{
    bool is_quoted = value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"';
    *out = is_quoted ? (struct mr_slice){value.at + 1, value.len - 2} : value;
    return is_boundary(*out) && (is_quoted || memchr(out->at, ' ', out->len) == NULL);
}

static int find_boundary(struct mr_slice content_type, struct mr_slice *out, struct mr_fault *fault)
{
    *out = (struct mr_slice){.at = NULL};
    if (!mr_multipart_is_form(content_type))
        return refuse_multipart(fault, "The Content-Type is not multipart/form-data.");
    mr_slice_cut(&content_type, ';');
    while (content_type.at != NULL) {
        struct mr_slice value = mr_cut_unquoted(&content_type, ';'), name = mr_slice_trim(mr_slice_cut(&value, '='));
        if (!mr_slice_is_nocase(name, "boundary"))
            continue;
        if (out->at != NULL)
            return refuse_multipart(fault, "The Content-Type has two boundaries.");
        if (!read_boundary(mr_slice_trim(value), out))
            return refuse_multipart(fault, "The boundary of the Content-Type is malformed (RFC 2046, section 5.1.1).");
    }
    return out->at != NULL ? MR_OK : refuse_multipart(fault, "The Content-Type has no boundary.");
}

static void expect_delimiter(struct mr_multipart *multipart, enum multipart_state state)
{
    multipart->state = (uint8_t)state;
    multipart->matched = multipart->skipped = 2;
}

int mr_multipart_init(struct mr_multipart *multipart, struct mr_slice content_type, unsigned parts_max,
                      const struct mr_multipart_receiver *receiver, void *context, struct mr_fault *fault)
{
    struct mr_slice boundary;
    *multipart = (struct mr_multipart){.receiver = receiver, .context = context, .parts_max = parts_max};
    multipart->error = find_boundary(content_type, &boundary, fault);
    if (multipart->error != MR_OK)
        return multipart->error;
    MR_ASSERT(boundary.at != NULL);
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.at, boundary.len);
    multipart->delimiter_len = (uint8_t)(4 + boundary.len);
    expect_delimiter(multipart, PREAMBLE);
    return MR_OK;
}

/* ---- heads of parts ---- */

static bool reserve_head(struct mr_multipart *multipart, size_t len)
{
    size_t size = MR_MAX(multipart->head_size, (size_t)512);
    while (size < len)
        size *= 2;
    if (size == multipart->head_size)
        return true;
    char *head = realloc(multipart->head, size);
    if (head == NULL)
        return false;
    multipart->head = head;
    multipart->head_size = size;
    return true;
}

static bool is_identity_encoding(struct mr_slice value)
{
    return mr_slice_is_nocase(value, "7bit") || mr_slice_is_nocase(value, "8bit") ||
           mr_slice_is_nocase(value, "binary");
}

static int read_part_type(struct mr_multipart_part *part, struct mr_slice value, struct mr_fault *fault)
{
    if (part->type.at != NULL)
        return refuse_multipart(fault, "A part has two Content-Type fields.");
    if (value.len >= 10 && strncasecmp(value.at, "multipart/", 10) == 0)
        return refuse_multipart(fault, "A part is a multipart itself. Send each file as a part of its own.");
    part->type = value;
    return MR_OK;
}

/* `value` lies in the head, which is ours to change. */
static int read_part_disposition(struct mr_multipart_part *part, char *value, size_t len, struct mr_fault *fault)
{
    struct mr_disposition disposition;
    if (part->name.at != NULL)
        return refuse_multipart(fault, "A part has two Content-Disposition fields.");
    if (!mr_disposition_parse(value, len, &disposition))
        return refuse_multipart(fault, "The Content-Disposition of a part is malformed.");
    if (disposition.name.at == NULL)
        return refuse_multipart(fault, "The Content-Disposition of a part has no name.");
    part->name = disposition.name;
    part->filename = disposition.filename;
    return MR_OK;
}

static bool is_field_value(struct mr_slice value)
{
    return value.len == 0 || mr_chars_are(value, MR_CHAR_FIELD);
}

/* One line, without its CR LF. */
static int read_part_field(struct mr_multipart *multipart, struct mr_multipart_part *part, struct mr_slice line,
                           struct mr_fault *fault)
{
    struct mr_slice name = mr_slice_cut(&line, ':'), value = mr_slice_trim(line);
    if (line.at == NULL || !mr_chars_are(name, MR_CHAR_TOKEN) || !is_field_value(value))
        return refuse_multipart(fault, "A field in the head of a part is malformed.");
    if (mr_slice_is_nocase(name, "content-disposition"))
        return read_part_disposition(part, multipart->head + (value.at - multipart->head), value.len, fault);
    if (mr_slice_is_nocase(name, "content-type"))
        return read_part_type(part, value, fault);
    if (mr_slice_is_nocase(name, "content-transfer-encoding") && !is_identity_encoding(value))
        return refuse_multipart(fault, "A part has a Content-Transfer-Encoding. Send its bytes as they are.");
    return MR_OK;
}

/* All lines but the empty one; each ends in CR LF. */
static int read_part_head(struct mr_multipart *multipart, struct mr_multipart_part *part, struct mr_fault *fault)
{
    struct mr_slice rest = {multipart->head, multipart->head_len - 2};
    *part = (struct mr_multipart_part){.name = {.at = NULL}};
    for (unsigned lines = 1; rest.len > 0; lines++) {
        struct mr_slice line = mr_slice_cut(&rest, '\n');
        line.len--;
        if (lines > MR_MULTIPART_LINES_MAX)
            return mr_fault_limit(fault, MR_EMULTIPART, "part-fields", MR_MULTIPART_LINES_MAX, lines);
        int err = read_part_field(multipart, part, line, fault);
        if (err != MR_OK)
            return err;
    }
    return part->name.at != NULL ? MR_OK : refuse_multipart(fault, "A part has no Content-Disposition.");
}

static int begin_part(struct mr_multipart *multipart, struct mr_fault *fault)
{
    struct mr_multipart_part part;
    int err = read_part_head(multipart, &part, fault);
    if (err != MR_OK)
        return err;
    multipart->parts++;
    expect_delimiter(multipart, CONTENT);
    return multipart->receiver->begin(multipart->context, &part);
}

/* Does the head end with the line that just came? It is empty, behind another one or alone. */
static bool is_head_complete(const struct mr_multipart *multipart)
{
    const char *end = multipart->head + multipart->head_len;
    return multipart->head_len == 2 || (multipart->head_len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0);
}

/* As far as the end of a line. */
static int take_head(struct mr_multipart *multipart, struct mr_slice bytes, size_t *taken, struct mr_fault *fault)
{
    const char *lf = memchr(bytes.at, '\n', bytes.len);
    size_t len = lf != NULL ? (size_t)(lf - bytes.at) + 1 : bytes.len, head_len = multipart->head_len + len;
    multipart->steps += len;
    if (head_len > MR_MULTIPART_HEAD_MAX)
        return mr_fault_limit(fault, MR_EMULTIPART, "part-head", MR_MULTIPART_HEAD_MAX, head_len);
    if (!reserve_head(multipart, head_len))
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    memcpy(multipart->head + multipart->head_len, bytes.at, len);
    multipart->head_len = head_len;
    *taken = len;
    if (lf == NULL)
        return MR_OK;
    if (head_len < 2 || multipart->head[head_len - 2] != '\r')
        return refuse_multipart(fault, "A line in the head of a part does not end in CR LF.");
    return is_head_complete(multipart) ? begin_part(multipart, fault) : MR_OK;
}

/* ---- delimiters ---- */

static int end_delimiter(struct mr_multipart *multipart, struct mr_fault *fault)
{
    if (multipart->parts >= multipart->parts_max)
        return mr_fault_limit(fault, MR_EPARTS, "max-parts", multipart->parts_max, (uint64_t)multipart->parts + 1);
    multipart->state = PART_HEAD;
    multipart->head_len = 0;
    return MR_OK;
}

/* Behind a boundary, octet by octet: blanks and CR LF, or two dashes first. */
static int take_delimiter_end(struct mr_multipart *multipart, char c, struct mr_fault *fault)
{
    enum multipart_state state = multipart->state;
    bool is_closing = state == CLOSING_PADDING || state == CLOSING_LF;
    if (state == DELIMITER_LF && c == '\n')
        return end_delimiter(multipart, fault);
    if (state == CLOSING_LF && c == '\n')
        multipart->state = EPILOGUE;
    else if (state == DELIMITER_END && c == '-')
        multipart->state = CLOSING_DASH;
    else if (state == CLOSING_DASH && c == '-')
        multipart->state = CLOSING_PADDING;
    else if (state == CLOSING_DASH || state == DELIMITER_LF || state == CLOSING_LF || c == '\n')
        return refuse_multipart(fault, "A delimiter does not end in CR LF.");
    else if (c == '\r')
        multipart->state = is_closing ? CLOSING_LF : DELIMITER_LF;
    else if (c != ' ' && c != '\t')
        return refuse_multipart(fault, "A line begins with the boundary and is no delimiter.");
    else if (!is_closing)
        multipart->state = DELIMITER_PADDING;
    return MR_OK;
}

/* ---- content ---- */

static int give_content(struct mr_multipart *multipart, struct mr_slice bytes)
{
    if (bytes.len == 0 || multipart->state != CONTENT)
        return MR_OK;
    return multipart->receiver->data(multipart->context, bytes);
}

/* The delimiter is whole. */
static int end_content(struct mr_multipart *multipart)
{
    bool is_part = multipart->state == CONTENT;
    multipart->state = DELIMITER_END;
    return is_part ? multipart->receiver->end(multipart->context) : MR_OK;
}

/* How many octets of `bytes` go on with the delimiter, of which `matched` came. */
static size_t match_delimiter(const struct mr_multipart *multipart, struct mr_slice bytes, size_t matched)
{
    size_t len = 0, max = MR_MIN(bytes.len, multipart->delimiter_len - matched);
    while (len < max && bytes.at[len] == multipart->delimiter[matched + len])
        len++;
    return len;
}

/* The first CR at or behind `at`. Runs of them are walked here: a call for each would take 20 ns. */
static size_t find_cr(struct mr_slice bytes, size_t at)
{
    while (at + 1 < bytes.len && bytes.at[at] == '\r' && bytes.at[at + 1] == '\r')
        at++;
    if (bytes.at[at] == '\r')
        return at;
    const char *cr = memchr(bytes.at + at, '\r', bytes.len - at);
    return cr != NULL ? (size_t)(cr - bytes.at) : bytes.len;
}

/* Where in `bytes` a delimiter begins that is whole, or is not as far as they reach; else their end. */
static size_t find_delimiter(struct mr_multipart *multipart, struct mr_slice bytes, size_t *matched)
{
    size_t at = 0;
    *matched = 0;
    while (at < bytes.len) {
        size_t begin = find_cr(bytes, at);
        size_t len = match_delimiter(multipart, (struct mr_slice){bytes.at + begin, bytes.len - begin}, 0);
        multipart->steps += begin - at + len + 1;
        if (begin + len == bytes.len || len == multipart->delimiter_len) {
            *matched = len;
            return begin;
        }
        at = begin + len;
    }
    return bytes.len;
}

/* Go on with what earlier bytes began. */
static int take_match(struct mr_multipart *multipart, struct mr_slice bytes, size_t *taken)
{
    size_t len = match_delimiter(multipart, bytes, multipart->matched), matched = multipart->matched + len;
    multipart->steps += len + 1;
    struct mr_slice held = {multipart->delimiter + multipart->skipped, (size_t)multipart->matched - multipart->skipped};
    multipart->matched = (uint8_t)matched;
    if (matched == multipart->delimiter_len || len == bytes.len) {
        *taken = len;
        return matched == multipart->delimiter_len ? end_content(multipart) : MR_OK;
    }
    multipart->matched = multipart->skipped = 0;
    return give_content(multipart, held);
}

static int take_content(struct mr_multipart *multipart, struct mr_slice bytes, size_t *taken)
{
    size_t matched;
    if (multipart->matched > 0)
        return take_match(multipart, bytes, taken);
    *taken = find_delimiter(multipart, bytes, &matched);
    int err = give_content(multipart, (struct mr_slice){bytes.at, *taken});
    if (err != MR_OK)
        return err;
    *taken += matched;
    multipart->matched = (uint8_t)matched;
    return matched == multipart->delimiter_len ? end_content(multipart) : MR_OK;
}

/* ---- all together ---- */

static int take_some(struct mr_multipart *multipart, struct mr_slice bytes, size_t *taken, struct mr_fault *fault)
{
    *taken = 0;
    switch ((enum multipart_state)multipart->state) {
    case PREAMBLE:
    case CONTENT:
        return take_content(multipart, bytes, taken);
    case PART_HEAD:
        return take_head(multipart, bytes, taken, fault);
    case EPILOGUE:
        *taken = bytes.len;
        return MR_OK;
    default:
        *taken = 1;
        multipart->steps++;
        return take_delimiter_end(multipart, bytes.at[0], fault);
    }
}

int mr_multipart_feed(struct mr_multipart *multipart, struct mr_slice bytes, size_t *consumed, struct mr_fault *fault)
{
    int err = multipart->error;
    *consumed = 0;
    if (err != MR_OK)
        return mr_fault_set(fault, (enum mr_error)err, NULL);
    while (err == MR_OK && *consumed < bytes.len) {
        size_t taken;
        err = take_some(multipart, (struct mr_slice){bytes.at + *consumed, bytes.len - *consumed}, &taken, fault);
        *consumed += taken;
    }
    if (err == MR_MULTIPART_PAUSE)
        return MR_OK;
    multipart->error = err;
    return err;
}

int mr_multipart_finish(struct mr_multipart *multipart, struct mr_fault *fault)
{
    enum multipart_state state = multipart->state;
    if (multipart->error != MR_OK)
        return mr_fault_set(fault, (enum mr_error)multipart->error, NULL);
    if (state == CLOSING_PADDING || state == CLOSING_LF || state == EPILOGUE)
        return MR_OK;
    multipart->error = refuse_multipart(fault, "The body ends before its closing delimiter.");
    return multipart->error;
}

void mr_multipart_free(struct mr_multipart *multipart)
{
    free(multipart->head);
    multipart->head = NULL;
    multipart->head_len = multipart->head_size = 0;
}
