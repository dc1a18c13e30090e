/* DESIGN
 * One pass from left to right. `take` reads the octets of one class, and the octet where it stops decides: so there is
 * no octet that is not looked at, and the request line is read alike when it is complete and when it is still arriving
 * (INCOMPLETE). The few fields that decide about framing and the connection are noted on the way; rules that need
 * several of them are judged at the end, in `conclude`. Sections are of RFC 9112 unless said otherwise. */
#include "http/http1/head_scan.h"
#include "base/assert.h"
#include "base/number.h"
#include "http/chars.h"

#define METHOD_MAX  32 /* octets: twice the longest registered one */
#define VERSION_MAX 16
#define INCOMPLETE  1 /* not an error yet: the bytes end here */

struct scan {
    struct mr_head *head;
    const char *at, *end;
    struct mr_fault *fault;
    struct mr_slice authority; /* of an absolute target, .at NULL without */
    bool host, close, keep_alive;
    bool transfer_encoding, other_coding;
};

static int refuse(struct scan *scan, const char *why)
{
    return mr_fault_set(scan->fault, MR_EREQUEST, "%s", why);
}

/* Reading stopped at an octet that does not belong into `place`. */
static int refuse_octet(struct scan *scan, const char *place)
{
    if (scan->at == scan->end)
        return INCOMPLETE;
    const char *what = "A character that is not allowed";
    switch (*scan->at) {
    case '\r':
    case '\n':
        what = "A line break in the wrong place or not CRLF";
        break;
    case ' ':
    case '\t':
        what = "White space in the wrong place";
        break;
    }
    return mr_fault_set(scan->fault, MR_EREQUEST, "%s, in %s.", what, place);
}

static struct mr_slice take(struct scan *scan, enum mr_char_class class)
{
    const char *at = scan->at;
    while (at < scan->end && mr_char_is(*at, class))
        at++;
    struct mr_slice taken = {.at = scan->at, .len = (size_t)(at - scan->at)};
    scan->at = at;
    return taken;
}

static int take_line_end(struct scan *scan, const char *place)
{
    if (scan->at == scan->end || *scan->at != '\r')
        return refuse_octet(scan, place);
    if (scan->at + 1 == scan->end)
        return INCOMPLETE;
    if (scan->at[1] != '\n')
        return refuse_octet(scan, place);
    scan->at += 2;
    return MR_OK;
}

/* Section 3.1. A method longer than any is 501 by section 3. */
static int scan_method(struct scan *scan)
{
    struct mr_slice text = take(scan, MR_CHAR_TOKEN);
    if (text.len > METHOD_MAX)
        return mr_fault_set(scan->fault, MR_EHTTPMETHOD, "The method is longer than any that is known.");
    if (text.len == 0 || scan->at == scan->end || *scan->at != ' ')
        return refuse_octet(scan, "the method");
    scan->at++;
    scan->head->method_text = text;
    scan->head->method = mr_method_of(text);
    return MR_OK;
}

/* The authority of `http://authority/path` goes to scan->authority, and *rest begins behind it. */
static bool cut_origin(struct scan *scan, struct mr_slice *rest)
{
    size_t scheme = 0;
    if (rest->len >= 7 && strncasecmp(rest->at, "http://", 7) == 0)
        scheme = 7;
    else if (rest->len >= 8 && strncasecmp(rest->at, "https://", 8) == 0)
        scheme = 8;
    else
        return false;

    rest->at += scheme;
    rest->len -= scheme;
    scan->authority = (struct mr_slice){.at = rest->at, .len = 0};
    while (rest->len > 0 && *rest->at != '/' && *rest->at != '?') {
        scan->authority.len++;
        rest->at++;
        rest->len--;
    }
    return true;
}

/* Section 3.2: origin-form, absolute-form, or the asterisk of OPTIONS. CONNECT is the only method with an
 * authority-form and is not implemented here, so that no code looks at its path. */
static int split_target(struct scan *scan)
{
    struct mr_head *head = scan->head;
    struct mr_slice rest = head->target;
    bool options = head->method == MR_METHOD_OPTIONS;
    if (mr_slice_is(head->method_text, "CONNECT") || (options && mr_slice_is(rest, "*"))) {
        head->path = rest;
        return MR_OK;
    }
    MR_ASSERT(rest.at != NULL && rest.len > 0);
    if (rest.at[0] != '/' && !cut_origin(scan, &rest))
        return refuse(scan, "The target is neither a path nor an http URL.");

    head->path = mr_slice_cut(&rest, '?');
    head->query = rest;
    if (head->path.len == 0) /* of an absolute target only: sections 3.2.1 and 3.2.4 */
        head->path = options && head->query.at == NULL ? MR_SLICE("*") : MR_SLICE("/");
    if (!mr_percent_is_valid(head->path))
        return refuse(scan, "A '%' in the path is not followed by two hex digits.");
    return MR_OK;
}

static int scan_target(struct scan *scan)
{
    struct mr_slice target = take(scan, MR_CHAR_TARGET);
    if (target.len > MR_TARGET_MAX)
        return mr_fault_limit(scan->fault, MR_ETARGET, "max-target", MR_TARGET_MAX, target.len);
    if (target.len > 0 && scan->at < scan->end && *scan->at == '\r') {
        int err = take_line_end(scan, "the request line");
        return err != MR_OK ? err
                            : mr_fault_set(scan->fault, MR_EVERSION, "A request line without a version is HTTP/0.9.");
    }
    if (target.len == 0 || scan->at == scan->end || *scan->at != ' ')
        return refuse_octet(scan, "the target");
    scan->at++;
    scan->head->target = target;
    return MR_OK;
}

/* "RTSP/1.0", "HTTP/2.0", "ICE/1.0": the version of something. */
static bool is_a_version(struct mr_slice text)
{
    struct mr_slice number = text, name = mr_slice_cut(&number, '/');
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < 'A' || name.at[i] > 'Z')
            return false;
    for (size_t i = 0; i < number.len; i++)
        if (number.at[i] != '.' && !mr_number_is_digit(number.at[i]))
            return false;
    return name.len > 0 && number.len > 0 && number.at[0] != '.';
}

/* Section 2.3. There will be no HTTP/1.2, and llhttp does not take it for 1.1 either. */
static int scan_version(struct scan *scan)
{
    struct mr_slice text = take(scan, MR_CHAR_TARGET);
    if (text.len > VERSION_MAX)
        return refuse(scan, "The request line does not end in a version.");
    int err = take_line_end(scan, "the request line");
    if (err != MR_OK)
        return err;
    if (mr_slice_is(text, "HTTP/1.1"))
        scan->head->minor = 1;
    else if (mr_slice_is(text, "HTTP/1.0"))
        scan->head->minor = 0;
    else if (is_a_version(text))
        return mr_fault_set(scan->fault, MR_EVERSION, NULL);
    else
        return refuse(scan, "The request line does not end in a version.");
    return MR_OK;
}

static int scan_request_line(struct scan *scan)
{
    int err = MR_OK;
    if (scan->at < scan->end && *scan->at == '\r') /* an empty line that belongs to nothing: section 2.2 */
        err = take_line_end(scan, "the line before the request");
    if (err == MR_OK)
        err = scan_method(scan);
    if (err == MR_OK)
        err = scan_target(scan);
    if (err == MR_OK)
        err = scan_version(scan);
    if (err == MR_OK) /* last: "PRI * HTTP/2.0" is refused for its version */
        err = split_target(scan);
    return err;
}

static int note_host(struct scan *scan, struct mr_slice value)
{
    struct mr_slice host, port;
    if (scan->host)
        return refuse(scan, "More than one Host field.");
    if (!mr_host_split(value, &host, &port))
        return refuse(scan, "The Host field is not a host with an optional port.");
    scan->host = true;
    scan->head->host = value;
    return MR_OK;
}

/* Section 6.2; a list of equal numbers, which section 6.3 would let us take for one, is refused as well. */
static int note_content_length(struct scan *scan, struct mr_slice value)
{
    if (scan->head->has_length)
        return refuse(scan, "More than one Content-Length field.");
    if (value.len == 0)
        return refuse(scan, "The Content-Length is empty.");
    if (!mr_number_is_digits(value))
        return refuse(scan, "The Content-Length is not a number.");
    uint64_t length;
    if (!mr_number_parse(value, INT64_MAX, &length))
        return refuse(scan, "The Content-Length is larger than any length.");
    scan->head->has_length = true;
    scan->head->content_length = length;
    return MR_OK;
}

/* Section 6.1: several fields are one list, and nothing may stand behind `chunked`. */
static int note_transfer_encoding(struct scan *scan, struct mr_slice value)
{
    scan->transfer_encoding = true;
    for (struct mr_slice rest = value; rest.at != NULL;) {
        struct mr_slice coding = mr_slice_trim(mr_slice_cut(&rest, ','));
        if (scan->head->chunked || !mr_chars_are(coding, MR_CHAR_TOKEN))
            return refuse(scan, "The Transfer-Encoding is not a list of codings that ends in chunked.");
        if (mr_slice_is_nocase(coding, "chunked"))
            scan->head->chunked = true;
        else
            scan->other_coding = true;
    }
    return MR_OK;
}

static int note_connection(struct scan *scan, struct mr_slice value)
{
    struct mr_slice option;
    while (mr_list_next(&value, &option)) {
        if (!mr_chars_are(option, MR_CHAR_TOKEN))
            return refuse(scan, "An option of the Connection field is not a token.");
        if (mr_slice_is_nocase(option, "close"))
            scan->close = true;
        else if (mr_slice_is_nocase(option, "keep-alive"))
            scan->keep_alive = true;
    }
    return MR_OK;
}

/* RFC 9110, section 10.1.1: an HTTP/1.0 client cannot mean it. */
static int note_expect(struct scan *scan, struct mr_slice value)
{
    struct mr_slice expectation;
    while (scan->head->minor > 0 && mr_list_next(&value, &expectation)) {
        if (mr_slice_is_nocase(expectation, "100-continue"))
            scan->head->expect_continue = true;
        else
            scan->head->expect_other = true;
    }
    return MR_OK;
}

static int note_te(struct scan *scan, struct mr_slice value)
{
    struct mr_slice coding;
    while (mr_list_next(&value, &coding))
        if (mr_slice_is_nocase(coding, "trailers"))
            scan->head->te_trailers = true;
    return MR_OK;
}

static const struct {
    struct mr_slice name;
    int (*note)(struct scan *scan, struct mr_slice value);
} noted_fields[] = {
    {{"host", 4}, note_host},
    {{"connection", 10}, note_connection},
    {{"content-length", 14}, note_content_length},
    {{"transfer-encoding", 17}, note_transfer_encoding},
    {{"expect", 6}, note_expect},
    {{"te", 2}, note_te},
};

static int note_field(struct scan *scan, const struct mr_header *field)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(noted_fields); i++)
        if (field->name.len == noted_fields[i].name.len && /* settles it for most */
            strncasecmp(field->name.at, noted_fields[i].name.at, field->name.len) == 0)
            return noted_fields[i].note(scan, field->value);
    return MR_OK;
}

/* Section 5: the colon follows the name at once (5.1), and no line begins with white space (5.2, obs-fold, and 2.2). */
static int scan_field(struct scan *scan)
{
    struct mr_head *head = scan->head;
    if (head->header_count == MR_HEADERS_MAX)
        return mr_fault_limit(scan->fault, MR_EHEAD, "max-fields", MR_HEADERS_MAX, MR_HEADERS_MAX + 1);
    struct mr_header *field = &head->headers[head->header_count];
    field->name = take(scan, MR_CHAR_TOKEN);
    if (field->name.len == 0 || scan->at == scan->end || *scan->at != ':')
        return refuse_octet(scan, "a field name");
    scan->at++;
    field->value = mr_slice_trim(take(scan, MR_CHAR_FIELD));
    int err = take_line_end(scan, "a field value");
    if (err != MR_OK)
        return err;
    head->header_count++;
    return note_field(scan, field);
}

/* Section 3.2: Host is there in HTTP/1.1 and says what an absolute target says. */
static int conclude_host(struct scan *scan)
{
    struct mr_head *head = scan->head;
    if (!scan->host && head->minor > 0)
        return refuse(scan, "The Host field is missing.");
    if (scan->authority.at == NULL)
        return MR_OK;
    if (!scan->host)
        return note_host(scan, scan->authority);
    if (scan->authority.len != head->host.len || strncasecmp(scan->authority.at, head->host.at, head->host.len) != 0)
        return refuse(scan, "The target is for another authority than the Host field.");
    return MR_OK;
}

/* Section 6.3. Several of these a server might survive; a proxy before it might read them in another way. */
static int conclude_framing(struct scan *scan)
{
    struct mr_head *head = scan->head;
    if (!scan->transfer_encoding)
        return MR_OK;
    if (head->minor == 0)
        return refuse(scan, "A Transfer-Encoding in an HTTP/1.0 request.");
    if (head->has_length)
        return refuse(scan, "Both Transfer-Encoding and Content-Length.");
    if (!head->chunked)
        return refuse(scan, "The Transfer-Encoding of a request ends in chunked.");
    if (scan->other_coding)
        return mr_fault_set(scan->fault, MR_ETRANSFER, "Only chunked is a known transfer coding.");
    return MR_OK;
}

static int conclude(struct scan *scan)
{
    int err = conclude_host(scan);
    if (err == MR_OK)
        err = conclude_framing(scan);
    scan->head->keep_alive = !scan->close && (scan->head->minor > 0 || scan->keep_alive); /* section 9.3 */
    return err;
}

int mr_head_scan(struct mr_head *out, const char *bytes, size_t len, struct mr_fault *fault)
{
    memset(out, 0, offsetof(struct mr_head, headers)); /* the headers are long, and counted */
    struct scan scan = {.head = out, .at = bytes, .end = bytes + len, .fault = fault};
    int err = scan_request_line(&scan);
    while (err == MR_OK && scan.at < scan.end && *scan.at != '\r')
        err = scan_field(&scan);
    if (err == MR_OK)
        err = take_line_end(&scan, "the empty line that ends the head");
    if (err == INCOMPLETE || (err == MR_OK && scan.at != scan.end))
        return refuse(&scan, "The head does not end in an empty line.");
    return err != MR_OK ? err : conclude(&scan);
}

int mr_head_check_prefix(const char *bytes, size_t len, struct mr_fault *fault)
{
    struct mr_head head = {0};
    struct scan scan = {.head = &head, .at = bytes, .end = bytes + len, .fault = fault};
    int err = scan_request_line(&scan);
    return err == INCOMPLETE ? MR_OK : err;
}

size_t mr_head_length(const char *bytes, size_t len, size_t *searched)
{
    const char *end = bytes + len;
    for (const char *at = bytes + *searched; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        size_t left = (size_t)(end - at);
        if (left >= 2 && at[1] == '\n')
            return (size_t)(at - bytes) + 2;
        if (left >= 3 && at[1] == '\r' && at[2] == '\n')
            return (size_t)(at - bytes) + 3;
        if (left == 1 || (left == 2 && at[1] == '\r')) { /* may be the end, look again */
            *searched = (size_t)(at - bytes);
            return 0;
        }
    }
    *searched = len;
    return 0;
}
