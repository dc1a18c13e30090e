/* Text inside HTML: whoever runs the program names peers, and a name must stay a name. */
#include "bench/lab/markup.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_written(const char *text, const char *expected)
{
    char *written;
    size_t len;
    FILE *out = open_memstream(&written, &len);
    mr_markup_write(out, text);
    fclose(out);
    assert_string_equal(written, expected);
    free(written);
}

static void what_would_be_markup_is_escaped(void **state)
{
    (void)state;
    assert_written("<b onclick='x'>&\"", "&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;");
    assert_written("M\xc3\xbchle 1.2\xe2\x80\x93"
                   "3",
                   "M\xc3\xbchle 1.2\xe2\x80\x93"
                   "3");
}

static void what_is_no_text_is_replaced(void **state)
{
    (void)state;
    assert_written("a\x1b[1m", "a\xef\xbf\xbd[1m");
    assert_written("a\xff<", "a\xef\xbf\xbd&lt;");
    assert_written("cut \xc3", "cut \xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_be_markup_is_escaped),
        cmocka_unit_test(what_is_no_text_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
