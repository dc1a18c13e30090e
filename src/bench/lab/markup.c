#include "bench/lab/markup.h"
#include "base/utf8.h"

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void mr_markup_write(FILE *out, const char *text)
{
    struct mr_slice rest = mr_slice_of(text);
    while (rest.len > 0) {
        const char *entity = entity_of(*rest.at);
        size_t len = mr_utf8_length(rest);
        unsigned char c = (unsigned char)*rest.at;
        if (entity != NULL)
            fputs(entity, out);
        else if (len == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            fputs("\xef\xbf\xbd", out);
        else
            fwrite(rest.at, 1, len, out);
        len = len == 0 ? 1 : len;
        rest = (struct mr_slice){.at = rest.at + len, .len = rest.len - len};
    }
}
