#include "base/option_tables.h"

#include "base/macros.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct lamp_settings {
    int64_t watts;
    struct mr_option_list rooms;
};

struct door_settings {
    bool open;
    int side;
};

struct house {
    char padding[24]; /* so that no settings lie at the beginning */
    struct lamp_settings lamp;
    struct door_settings door;
};

static const char *const sides[] = {"left", "right", NULL};

static const struct mr_option lamp_options[] = {
    MR_OPTION_ROW(lamp_settings, "watts", INT, 1, 100, "N", "5", watts, "how bright"),
    MR_OPTION_LIST(lamp_settings, "room", "NAME", rooms, "where"),
    MR_OPTION_END,
};
static const struct mr_option door_options[] = {
    MR_OPTION_ROW(door_settings, "open", BOOL, 0, 0, NULL, NULL, open, "to all"),
    MR_OPTION_CHOICE(door_settings, "side", sides, "SIDE", "left", side, "left, right"),
    MR_OPTION_END,
};
static const struct mr_option_table tables[] = {
    {.rows = door_options, .offset = offsetof(struct house, door)},
    {.rows = lamp_options, .offset = offsetof(struct house, lamp)},
    {.rows = NULL},
};

static void rows_stand_in_the_order_of_their_tables(void **state)
{
    static const char *const names[] = {"open", "side", "watts", "room"};
    struct mr_option rows[MR_ARRAY_SIZE(names) + 1];
    (void)state;
    mr_options_compose(rows, MR_ARRAY_SIZE(rows), tables);
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++)
        assert_string_equal(rows[i].spec.name, names[i]);
    assert_null(rows[MR_ARRAY_SIZE(names)].spec.name);
}

static void each_module_finds_its_values_in_its_own_settings(void **state)
{
    struct mr_option rows[8];
    struct house house = {.door.open = false};
    char *const argv[] = {"test", "--room=hall", "--open", "--side=right", "--room=attic", NULL};
    char *const environment[] = {NULL};
    const struct mr_options_program program = {.name = "test", .env_prefix = "TEST", .usage = "test", .options = rows};
    (void)state;
    mr_options_compose(rows, MR_ARRAY_SIZE(rows), tables);
    assert_int_equal(mr_options_parse(&program, &house, 5, argv, environment, stderr), MR_OPTIONS_RUN);
    assert_true(house.door.open);
    assert_int_equal(house.door.side, 1);
    assert_int_equal(house.lamp.watts, 5);
    assert_int_equal(house.lamp.rooms.count, 2);
    assert_string_equal(house.lamp.rooms.values[1], "attic");
    mr_options_free(&program, &house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_in_the_order_of_their_tables),
        cmocka_unit_test(each_module_finds_its_values_in_its_own_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
