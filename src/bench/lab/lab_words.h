/* lab_words.h -- what the figures of the lab say, in sentences: the same ones in HTML, in JSON and on the terminal.
 *
 * `workers` is what Millrace does; it is compared with `inline` (`none` where that was not run) and `libuv`. What each
 * model does, and what that costs, is said of all of ours. Differences that may be chance
 * (mr_lab_figure_ties) are called ties, a model that wins against `workers` is named, and so is every round that the
 * reader should doubt. */
#ifndef MR_BENCH_LAB_WORDS_H
#define MR_BENCH_LAB_WORDS_H

#include "bench/lab/lab_figures.h"

#define MR_LAB_SENTENCES_MAX 64

struct mr_lab_sentence {
    const char *topic; /* static text: "finding" (the first, always), "cost", "light", "fresh", "lag", "heavy"; "note":
                          a doubt */
    char text[640];    /* plain text in UTF-8, not escaped */
    double ratio;      /* the one that the sentence names ("283 times longer"), or NaN */
};

struct mr_lab_words {
    unsigned count;
    struct mr_lab_sentence sentences[MR_LAB_SENTENCES_MAX];
};

void mr_lab_words_find(struct mr_lab_words *words, const struct mr_lab_figures *figures);
bool mr_lab_sentence_is_note(const struct mr_lab_sentence *sentence);

#endif
