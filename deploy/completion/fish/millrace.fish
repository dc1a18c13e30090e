# What there is, the programs' --help says: nothing here can go stale.
function __millrace_help
    set -l words (commandline -opc)
    set -l command $words[1]
    for word in $words[2..-1]
        string match -qr '^[a-z]' -- $word; or break
        set -a command $word
    end
    $command --help 2>/dev/null
end

function __millrace_options
    __millrace_help | string match -r -- '^ *--.*' | string match -ar -- '--[a-z][a-z-]*' | sort -u
end

function __millrace_commands
    __millrace_help | sed -n -e '/^Commands: /{s/^[^:]*: millrace //;s/(.*//;s/, */\n/g;p}' -e 's/^  \([a-z][a-z-]*\)  .*/\1/p' | string trim
end

for program in millrace millrace-bench
    complete -c $program -n 'string match -q -- "-*" (commandline -ct)' -a '(__millrace_options)'
    complete -c $program -n 'test (count (commandline -opc)) = 1' -a '(__millrace_commands)'
end
