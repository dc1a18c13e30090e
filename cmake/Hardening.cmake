# Warnings, hardening (OpenSSF "Compiler Options Hardening Guide for C and C++") and sanitizers, as one interface
# target that every floor links: mr_flags. Each flag is probed, so that gcc and clang both get what they know.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(mr_flags INTERFACE)

# gcc knows all of them: one question instead of two dozen, which take longer than all else of the configuration.
function(millrace_add_flags)
    # -Werror in the probe: clang accepts what it does not know with a warning only.
    set(CMAKE_REQUIRED_FLAGS "-Werror")
    string(JOIN " " all ${ARGV})
    check_c_compiler_flag("${all}" HAVE_ALL_FLAGS)
    foreach(flag ${ARGV})
        set(known ${HAVE_ALL_FLAGS})
        if(NOT known)
            string(MAKE_C_IDENTIFIER "HAVE_FLAG${flag}" variable)
            check_c_compiler_flag(${flag} ${variable})
            set(known ${${variable}})
        endif()
        if(known)
            target_compile_options(mr_flags INTERFACE ${flag})
        endif()
    endforeach()
endfunction()

function(millrace_add_link_flag flag)
    string(MAKE_C_IDENTIFIER "HAVE_LINK${flag}" variable)
    check_linker_flag(C ${flag} ${variable})
    if(${variable})
        target_link_options(mr_flags INTERFACE ${flag})
    endif()
endfunction()

millrace_add_flags(
    -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wconversion -Wimplicit-fallthrough -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wundef -Wtrampolines -Wbidi-chars=any -Werror=format-security
    -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
    -fstack-clash-protection -fstack-protector-strong -fcf-protection=full
    -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
    -ftrivial-auto-var-init=zero -fno-omit-frame-pointer)

set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")
foreach(flag -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)
    millrace_add_link_flag(${flag})
endforeach()

if(MILLRACE_SANITIZE)
    target_compile_options(mr_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all -O1)
    target_link_options(mr_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
    target_compile_definitions(mr_flags INTERFACE MR_SANITIZED=1)
else()
    # _FORTIFY_SOURCE and the sanitizers' interceptors do not mix.
    target_compile_options(mr_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
endif()
