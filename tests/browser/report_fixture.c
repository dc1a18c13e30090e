/* Writes the report of a lab that never ran (lab_fixture.h) into a directory, for tests that read it as a browser or
 * another program does. Usage: report_fixture DIRECTORY */
#include "bench/lab/lab_report.h"
#include "bench/lab_fixture.h"

int main(int argc, char **argv)
{
    struct mr_fault fault;
    if (argc != 2) {
        fprintf(stderr, "usage: report_fixture DIRECTORY\n");
        return 2;
    }
    struct mr_lab_result *result = lab_fixture();
    int err = mr_lab_report_write(result, argv[1], &fault);
    if (err != MR_OK)
        fprintf(stderr, "%s\n", fault.detail);
    else
        mr_lab_report_table(result, stdout);
    mr_lab_result_destroy(&result);
    return err == MR_OK ? 0 : 1;
}
