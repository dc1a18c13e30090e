/* word.h -- words of a line of a key file, and how messages show them. For the kinds of files that key_file.h reads. */
#ifndef MR_KEYS_WORD_H
#define MR_KEYS_WORD_H

#include "base/error.h"
#include "base/slice.h"

/* The word, if a message can show it: up to 16 lower-case letters, '-' and '_'. Else "*", since a key may stand in a
 * wrong place. */
static inline struct mr_slice mr_word_to_show(struct mr_slice word)
{
    bool is_plain = word.len <= 16;
    for (size_t i = 0; i < word.len && is_plain; i++)
        is_plain = (word.at[i] >= 'a' && word.at[i] <= 'z') || word.at[i] == '-' || word.at[i] == '_';
    return is_plain ? word : MR_SLICE("*");
}

/* Cut the next word off; empty at the end of the line. */
static inline struct mr_slice mr_word_next(struct mr_slice *rest)
{
    *rest = mr_slice_trim(*rest);
    struct mr_slice word = {.at = rest->at, .len = 0};
    while (word.len < rest->len && word.at[word.len] != ' ' && word.at[word.len] != '\t')
        word.len++;
    rest->at += word.len;
    rest->len -= word.len;
    return word;
}

/* What stands behind the last word that is known must be `word=value`, and no such word is known yet; an unknown one
 * may restrict the key. MR_OK: nothing stands there. */
static inline int mr_word_refuse_rest(struct mr_slice rest, const char *behind, struct mr_fault *fault)
{
    struct mr_slice word = mr_word_next(&rest);
    if (word.len == 0)
        return MR_OK;
    struct mr_slice shown = mr_word_to_show(mr_slice_cut(&word, '='));
    return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" behind %s is not known", MR_SLICE_ARG(shown), behind);
}

#endif
