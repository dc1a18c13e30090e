#!/usr/bin/env python3
"""Weakens each memory order of the lock-free files in turn and expects the explorer to find it.

    tests/explore/mutate.py [TEXT]      only mutants whose name contains TEXT

Each mutant is a copy of a src/ file in a temporary directory with one word changed, built with gcc and explored by the
scenarios that judge the file until the first failure. A mutant that survives must be listed in EQUIVALENT with the
reason why it changes nothing (one that is listed and found is a failure too, as the reason is wrong then), or in
UNDECIDED with what is known of it.
"""

import concurrent.futures
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE.parent.parent / "src"
CPU_SECONDS_MAX = 120  # of one mutant; the slowest scenarios need a fifth of it
CFLAGS = ["-std=gnu17", "-w", "-fno-pie", "-U_FORTIFY_SOURCE"]
INSTRUMENTED = ["-O1", "-fsanitize=thread", "-include", HERE / "replaced.h"]
OFFLOAD = ["workers/queue.c", "workers/parking.c", "workers/runner.c", "workers/lanes.c", "workers/offload.c",
           "workers/offload_workers.c", "loop/inbox.c"]
PROGRAMS = {"queue": ["workers/queue.c"], "parking": ["workers/parking.c"], "inbox": ["loop/inbox.c"],
            "shutdown": OFFLOAD}
# Who judges a change of a file: a program and its scenarios; none named: all of them.
JUDGES = {"workers/queue.c": ["queue"], "workers/parking.c": ["parking"], "loop/inbox.c": ["inbox"],
          "workers/runner.c": ["shutdown", "shutdown-endless-job", "shutdown-two-jobs"],
          "workers/offload_workers.c": ["shutdown", "shutdown-two-jobs", "offload-heavy-job-left"],
          "workers/offload.c": ["shutdown", "shutdown-two-jobs"]}
ORDERED = ["workers/queue.c", "workers/parking.c", "workers/runner.c", "loop/inbox.c"]
WEAKER = {"acquire": ["relaxed"], "release": ["relaxed"], "acq_rel": ["relaxed", "acquire", "release"],
          "seq_cst": ["relaxed", "acq_rel"]}

# Changes that a mistake would make: file, name, text before, text after.
BY_HAND = [
    ("workers/parking.c", "no swap when nobody waits", """    uint32_t seen = mr_load(&parking->state, relaxed), count;

    do {
""", """    uint32_t seen = mr_load(&parking->state, relaxed), count;

    if (WAITERS(seen) == 0)
        return;
    do {
"""),
    ("workers/parking.c", "a cancelled waiter takes a signal", "next = WAITERS(seen) > 0 ? seen - WAITER : seen - SIGNAL;",
     "next = HAS_SIGNAL(seen) ? seen - SIGNAL : seen - WAITER;"),
    ("workers/parking.c", "signals without a wake-up", "    if (count > 0)\n        wake_sleepers(parking, count);\n", ""),
    ("workers/parking.c", "no other is woken when the lowest has left",
     "    if (lowest == 0 || wake_with(parking, 1, lowest) == 0)\n", """    if (lowest != 0)
        wake_with(parking, 1, lowest);
    else
"""),
    ("workers/offload_workers.c", "prepare after the look",
     """    mr_parking_prepare(&offload->parking);
    struct mr_job *job = look(offload, runner);
""", """    struct mr_job *job = look(offload, runner);
    mr_parking_prepare(&offload->parking);
"""),
    ("workers/offload_workers.c", "room for a heavy job is told to nobody", """        runner->picker.heavy_freed = false;
        mr_parking_wake_one(&offload->parking);
""", """        runner->picker.heavy_freed = false;
"""),
    ("workers/offload.c", "wake-up before the push",
     """    err = mr_queue_try_push(offload->queue, index, job);
    MR_ASSERT(err == 0); /* admission saw room, and only this loop fills it */
    offload->ops->give_turn(offload, index);
""", """    offload->ops->give_turn(offload, index);
    err = mr_queue_try_push(offload->queue, index, job);
    MR_ASSERT(err == 0);
"""),
    ("workers/offload.c", "posted before the runner lets it go", """    mr_runner_end(runner, job);
    mr_lanes_finish(&offload->lanes, &runner->picker, job->lane, ran);
    mr_loop_post(job->loop, &job->completion);""", """    mr_lanes_finish(&offload->lanes, &runner->picker, job->lane, ran);
    mr_loop_post(job->loop, &job->completion);
    mr_runner_end(runner, job);"""),
]

# name: why the change makes no difference.
EQUIVALENT = {
    "workers/parking.c: mr_parking_cancel: compare_swap acquire -> relaxed":
        "cancel takes a signal only when no unsignalled waiter is counted: then everyone else in the parking has a signal "
        "of his own to take, and who comes later acquires in prepare, so nobody sleeps over what cancel did not see",
}

# name: what is known. Printed, and no failure, found or not.
UNDECIDED = {
}


def order_mutants():
    """(name, file, text) for each order of each operation; the name tells function, operation and order."""
    for file in ORDERED:
        text = (SRC / file).read_text()
        code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
        for call in re.finditer(r"\bmr_(load|store|exchange|fetch_add|compare_swap)\(", code):
            end, depth = call.end(), 1
            while depth > 0:
                depth += {"(": 1, ")": -1}.get(code[end], 0)
                end += 1
            function = re.findall(r"^[a-z][^\n;{}=]*?(\w+)\([^;{}]*\)\n\{", code[:call.start()], flags=re.M)[-1]
            for word in re.finditer(r",\s*(acquire|release|acq_rel|seq_cst)\b(?=\s*[,)])", code[call.start():end]):
                start = call.start() + word.start(1)
                for weaker in WEAKER[word[1]]:
                    name = f"{file}: {function}: {call[1]} {word[1]} -> {weaker}"
                    yield name, file, text[:start] + weaker + text[start + len(word[1]):]


def hand_mutants():
    for file, name, before, after in BY_HAND:
        text = (SRC / file).read_text()
        if text.count(before) != 1:
            sys.exit(f"mutate.py: {file} does not hold exactly once, for '{name}':\n{before}")
        yield f"{file}: {name}", file, text.replace(before, after)


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def compile(output, source, *flags):
    done = run("gcc", *CFLAGS, *flags, "-I", SRC, "-I", HERE, "-c", source, "-o", output)
    if done.returncode != 0:
        sys.exit(f"mutate.py: {source} does not compile:\n{done.stderr}")
    return output


def explore(objects, mutated, file, name):
    """What the file's judge says about the mutant: '' if nothing is wrong."""
    program, *scenarios = JUDGES[file]
    executable = mutated.with_suffix(".program")
    parts = [mutated if part == file else objects[part] for part in PROGRAMS[program]]
    linked = run("gcc", "-no-pie", "-o", executable, objects[program], *parts, objects["explorer"], objects["machine"])
    if linked.returncode != 0:
        sys.exit(f"mutate.py: {name}: {linked.stderr}")
    done = run(executable, *scenarios)
    if done.returncode == -signal.SIGXCPU:
        sys.exit(f"mutate.py: {name}: no verdict within {CPU_SECONDS_MAX} s")
    return "" if done.returncode == 0 else next(
        (line for line in done.stdout.splitlines() if re.match(r"[\w-]+: ", line)), f"status {done.returncode}")


def judge(objects, directory, number, mutant):
    name, file, text = mutant
    source = directory / f"mutant{number}.c"
    source.write_text(text)
    mutated = compile(source.with_suffix(".o"), source, *INSTRUMENTED)
    return name, explore(objects, mutated, file, name)


def build(directory):
    objects = {name: compile(directory / f"{name}.o", HERE / f"{name}.c", "-O2") for name in ("explorer", "machine")}
    for program in PROGRAMS:
        objects[program] = compile(directory / f"explore_{program}.o", HERE / f"explore_{program}.c", *INSTRUMENTED)
    for file in OFFLOAD:
        objects[file] = compile(directory / file.replace("/", "_").replace(".c", ".o"), SRC / file, *INSTRUMENTED,
                                "-DMR_PARKING_CHOOSES=0")  # as CMakeLists.txt has it for explore_shutdown
    return objects


def verdict(name, found):
    if name in UNDECIDED:
        return "undecided"
    if name in EQUIVALENT:
        return "wrongly called equivalent" if found else "equivalent"
    return "killed" if found else "survived"


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    mutants = [*order_mutants(), *hand_mutants()]
    stale = {*EQUIVALENT, *UNDECIDED} - {name for name, _, _ in mutants}
    for name in stale:
        print(f"listed, but there is no such mutant: {name}")
    mutants = [mutant for mutant in mutants if wanted in mutant[0]]
    counts = dict.fromkeys(("killed", "equivalent", "undecided", "survived", "wrongly called equivalent"), 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, resource.RLIM_INFINITY))  # the children inherit it
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(2) as threads:
        directory = pathlib.Path(name)
        objects = build(directory)
        for name, found in threads.map(lambda it: judge(objects, directory, *it), enumerate(mutants)):
            counts[verdict(name, found)] += 1
            known = EQUIVALENT.get(name) or UNDECIDED.get(name)
            print(f"{verdict(name, found):10} {name}    {'; '.join(filter(None, (known, found)))}", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(", ".join(f"{count} {what}" for what, count in counts.items()),
          f"in {time.monotonic() - began:.0f} s ({used.ru_utime + used.ru_stime:.0f} s of one core)")
    sys.exit(bool(stale or counts["survived"] or counts["wrongly called equivalent"]))


if __name__ == "__main__":
    main()
