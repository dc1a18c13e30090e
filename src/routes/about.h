/* about.h -- what people and programs are told of a route, in static tables beside its row. GET /openapi.yaml is
 * written from them, from the rows (http/router.h), from the tables of parameters (base/param.h) and from that of
 * problems (http/problem.h). Each route has one, or the server does not start. */
#ifndef MR_ROUTES_ABOUT_H
#define MR_ROUTES_ABOUT_H

#include "base/error.h"
#include "base/param.h"
#include <stdbool.h>

/* A member of a JSON object. */
struct mr_about_member {
    const char *name;
    const char *type; /* "string", "date-time", "integer", "number", "boolean", "object", or a schema: "File". Behind it
                         "[]" for an array of them, then "?" for "or null" */
    const char *text;
    bool is_optional;
};

struct mr_about_schema {
    const char *name;
    const char *base;                      /* a schema whose members it has too; NULL: none */
    const struct mr_about_member *members; /* up to a row without a name */
};

/* A body. */
struct mr_about_content {
    const char *types;                        /* media types or ranges, with commas between; NULL: the end of a list */
    const struct mr_about_schema *schemas[2]; /* what it is one of; NULL: bytes */
};

/* A response that is no problem document. */
struct mr_about_response {
    int status; /* 0: the end of the list */
    const char *text;
    struct mr_about_content content;
    const char *fields; /* names of fields, with spaces between; NULL: none worth a word. The table of their texts is in
                           openapi_parts.c */
};

/* A request for curl, to be sent as it is: a test does that. The files that it needs are photo.jpg, letter.txt and what
 * examples above it have written. */
struct mr_about_example {
    const char *text; /* NULL: the end of the list */
    const char *options;
    const char *file;   /* that is sent as the body; NULL: none */
    const char *target; /* with MR_ABOUT_ID for an id */
    const char *output; /* the file to write; NULL: standard output */
    int status;
};
#define MR_ABOUT_ID "01M8MMF2NAXJFYWDJD7847071C"

/* Of one stage (pipe.h). */
struct mr_about_stage {
    const enum mr_error *errors; /* up to MR_OK; NULL: none */
    const char *fields;          /* of a request, as above; NULL: none */
    const struct mr_about_example *examples;
};

struct mr_route_about {
    const char *group; /* "files" */
    const char *text;
    const struct mr_param_spec *path;       /* the parameter in the path; NULL: none */
    const struct mr_param_spec *query;      /* NULL: none. It is one of the route's own */
    const struct mr_param_spec *more_query; /* the route's own, where `query` is a stage's; NULL: none */
    bool is_of_stages;                      /* the path consists of them: each is described by itself, too */
    bool has_stage_params;                  /* in the query, too */
    bool needs_store, needs_lab;            /* --data, --lab */
    bool is_file;  /* the response is a file: --read and --file-cache-control decide which clients read and cache it */
    bool is_image; /* or an image of one: --read and --image-cache-control do */
    const char *fields;                    /* of a request, as above */
    const struct mr_about_content *bodies; /* of a request; NULL: none */
    const struct mr_about_response *responses;
    const enum mr_error *errors[3]; /* lists up to MR_OK, beside those that each request may meet */
    const struct mr_about_example *examples;
};

#define MR_ABOUT_ERRORS(...) ((const enum mr_error[]){__VA_ARGS__, MR_OK})

#endif
