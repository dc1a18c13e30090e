#define _GNU_SOURCE 1 /* memmem */
#include "bench/load/wire.h"
#include "base/assert.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Is there a line for the field `name`? */
static bool has_header(char *const *lines, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        struct mr_slice rest = mr_slice_of(lines[i]);
        if (mr_slice_is_nocase(mr_slice_cut(&rest, ':'), name))
            return true;
    }
    return false;
}

static int check_headers(char *const *lines, size_t count, struct mr_fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(lines[i], ':');
        if (colon == NULL || colon == lines[i] || strpbrk(lines[i], "\r\n") != NULL)
            return mr_fault_set(fault, MR_EPARAM, "a header must be written \"Name: value\"");
    }
    return MR_OK;
}

static int read_file(struct mr_wire *out, const char *path, struct mr_fault *fault)
{
    int error = MR_OK;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        error = mr_fault_set(fault, MR_EIO, "cannot read %s: %s", path, strerror(errno));
        goto done;
    }
    long size = ftell(file);
    MR_ASSERT(size >= 0);
    rewind(file);
    out->body = malloc((size_t)size + 1);
    MR_ASSERT(out->body != NULL);
    out->body_len = fread(out->body, 1, (size_t)size, file);
    if (out->body_len != (size_t)size)
        error = mr_fault_set(fault, MR_EIO, "cannot read %s to its end", path);
done:
    if (file != NULL)
        fclose(file);
    return error;
}

/* Write the path, with digits where it has "{n}". */
static void write_numbered_path(struct mr_wire *out, FILE *head, struct mr_slice path)
{
    const struct mr_slice mark = MR_SLICE("{n}");
    const char *at = memmem(path.at, path.len, mark.at, mark.len);
    if (at == NULL) {
        fprintf(head, "%.*s", MR_SLICE_ARG(path));
        return;
    }
    fprintf(head, "%.*s", (int)(at - path.at), path.at);
    out->number_at = (size_t)ftell(head);
    fprintf(head, "%0*d", MR_WIRE_DIGITS, 0);
    at += mark.len;
    fprintf(head, "%.*s", (int)(path.at + path.len - at), at);
}

void mr_wire_number(struct mr_wire *wire, uint64_t number)
{
    for (size_t i = MR_WIRE_DIGITS; i-- > 0; number /= 10)
        wire->head[wire->number_at + i] = (char)('0' + number % 10);
}

int mr_wire_build(struct mr_wire *out, const struct mr_target *target, const char *method, char *const *header_lines,
                  size_t header_count, const char *body_file, struct mr_fault *fault)
{
    *out = (struct mr_wire){.is_head = strcmp(method, "HEAD") == 0};
    int error = check_headers(header_lines, header_count, fault);
    if (error == MR_OK && body_file != NULL)
        error = read_file(out, body_file, fault);
    if (error != MR_OK) {
        mr_wire_free(out);
        return error;
    }

    FILE *head = open_memstream(&out->head, &out->head_len);
    MR_ASSERT(head != NULL);
    fprintf(head, "%s ", method);
    write_numbered_path(out, head, target->path);
    fputs(" HTTP/1.1\r\n", head);
    if (!has_header(header_lines, header_count, "Host"))
        fprintf(head, "Host: %s\r\n", target->authority);
    if (!has_header(header_lines, header_count, "User-Agent"))
        fprintf(head, "User-Agent: millrace-bench/" MILLRACE_VERSION "\r\n");
    if (body_file != NULL && !has_header(header_lines, header_count, "Content-Length"))
        fprintf(head, "Content-Length: %zu\r\n", out->body_len);
    for (size_t i = 0; i < header_count; i++)
        fprintf(head, "%s\r\n", header_lines[i]);
    fputs("\r\n", head);
    MR_ASSERT(fclose(head) == 0);
    return MR_OK;
}

void mr_wire_free(struct mr_wire *wire)
{
    free(wire->head);
    free(wire->body);
    *wire = (struct mr_wire){0};
}
