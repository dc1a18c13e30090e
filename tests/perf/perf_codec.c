/* perf_codec -- how fast one thread sends a file through a codec stage, and how large the result is.
 *
 *   perf_codec gzip|gunzip|zstd|unzstd LEVEL FILE [RUNS [OUTPUT]]      LEVEL 0: the stage's default
 *
 * Cuts and calls are those of the runner of stages (stage.h), without its threads and copies. Prints the fastest run's
 * CPU time as MB/s of plain data (10^6 bytes). With OUTPUT the result is written there, to be opened by other
 * programs. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/codec/codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct mr_stage_ops *const stages[] = {&mr_stage_gzip, &mr_stage_gunzip, &mr_stage_zstd, &mr_stage_unzstd};
static struct mr_cancel never;
static struct mr_fault fault;

struct job {
    const struct mr_stage_ops *ops;
    int level;
    unsigned char *in, *out;
    size_t in_len, out_len; /* out_len: written so far, of which `out` holds the last call's */
    FILE *output;           /* or NULL */
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(int err)
{
    if (err == MR_OK)
        return;
    fprintf(stderr, "perf_codec: %s %s\n", mr_error_text((enum mr_error)err), fault.detail);
    exit(1);
}

static void take(struct job *job, const struct mr_stage_piece *piece)
{
    job->out_len += piece->out_len;
    if (job->output != NULL)
        MR_ASSERT(fwrite(piece->out, 1, piece->out_len, job->output) == piece->out_len);
}

static void run_parallel(struct job *job, void *stage, const struct mr_stage_sizes *sizes)
{
    bool whole = sizes->whole_max > 0 && job->in_len <= sizes->whole_max;
    size_t room = MR_MAX(sizes->out_max, sizes->whole_out_max), cut = whole ? SIZE_MAX : sizes->piece;
    struct mr_stage_piece piece = {.out = job->out, .out_size = room, .whole = whole};
    for (size_t at = 0; !piece.last; at += piece.in_len, piece.index++) {
        piece.before_len = MR_MIN(at, sizes->history);
        piece.before = job->in + at - piece.before_len;
        piece.in = job->in + at;
        piece.in_len = MR_MIN(cut, job->in_len - at);
        piece.last = at + piece.in_len == job->in_len;
        must(job->ops->work(stage, &piece, &never, &fault));
        must(job->ops->join == NULL ? MR_OK : job->ops->join(stage, &piece, &fault));
        take(job, &piece);
    }
    if (job->ops->finish != NULL) {
        must(job->ops->finish(stage, &piece, &fault));
        take(job, &piece);
    }
}

static void run_sequential(struct job *job, void *stage, const struct mr_stage_sizes *sizes)
{
    struct mr_stage_piece piece = {.out = job->out, .out_size = sizes->out_max, .status = MR_STAGE_WANT};
    for (size_t at = 0, arrived = 0; piece.status != MR_STAGE_DONE; at += piece.in_used) {
        if (piece.status == MR_STAGE_WANT)
            arrived = MR_MIN(job->in_len, arrived + sizes->piece);
        piece.in = job->in + at;
        piece.in_len = arrived - at;
        piece.last = arrived == job->in_len;
        must(job->ops->work(stage, &piece, &never, &fault));
        take(job, &piece);
    }
}

static double run(struct job *job)
{
    void *stage;
    struct mr_stage_sizes sizes;
    struct mr_param_value level = {.integer = job->level};
    must(job->ops->create(&stage, &(struct mr_stage_env){0}, &fault));
    if (job->level != 0)
        must(job->ops->set(stage, mr_param_find(job->ops->params, MR_SLICE("level")), &level, &fault));
    job->ops->sizes(stage, &sizes);
    job->out = malloc(MR_MAX(sizes.out_max, sizes.whole_out_max));
    job->out_len = 0;
    double began = cpu_seconds();
    if (job->ops->kind == MR_STAGE_PARALLEL)
        run_parallel(job, stage, &sizes);
    else
        run_sequential(job, stage, &sizes);
    double seconds = cpu_seconds() - began;
    free(job->out);
    job->ops->destroy(stage);
    return seconds;
}

static void read_file(struct job *job, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    job->in_len = (size_t)ftell(file);
    job->in = malloc(job->in_len + 1);
    rewind(file);
    MR_ASSERT(fread(job->in, 1, job->in_len, file) == job->in_len);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct job job = {0};
    for (size_t i = 0; argc > 3 && i < MR_ARRAY_SIZE(stages); i++)
        if (strcmp(argv[1], stages[i]->name) == 0)
            job.ops = stages[i];
    if (job.ops == NULL) {
        fprintf(stderr, "usage: perf_codec gzip|gunzip|zstd|unzstd LEVEL FILE [RUNS [OUTPUT]]\n");
        return 2;
    }
    job.level = job.ops->params->name == NULL ? 0 : atoi(argv[2]);
    read_file(&job, argv[3]);
    job.output = argc > 5 ? fopen(argv[5], "wb") : NULL;
    double best = run(&job);
    if (job.output != NULL)
        fclose(job.output);
    job.output = NULL;
    for (int runs = argc > 4 ? atoi(argv[4]) : 3; runs > 1; runs--) {
        double seconds = run(&job);
        best = MR_MIN(best, seconds);
    }
    size_t plain = job.ops->kind == MR_STAGE_PARALLEL ? job.in_len : job.out_len;
    printf("%-6s %2d  %7.1f MB/s  %zu -> %zu  %s\n", job.ops->name, job.level, (double)plain / best / 1e6, job.in_len,
           job.out_len, argv[3]);
    free(job.in);
    mr_codec_thread_end();
    return 0;
}
