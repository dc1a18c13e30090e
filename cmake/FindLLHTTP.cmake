# llhttp, in one of two shapes:
#  1. an installed library with its header (Debian 13's libllhttp-dev, where the strict parser is the only one), or
#  2. Debian 12's node-llhttp, which ships C sources in /usr/share/llhttp and the header in /usr/share/include/llhttp.
# The sources hold two parsers; LLHTTP_STRICT_MODE selects the strict one and must be seen by the header's users too
# (the loose one is open to request smuggling: CVE-2023-30589). Defines the target LLHTTP::LLHTTP.
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/share/include)
find_library(LLHTTP_LIBRARY llhttp)
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
if(LLHTTP_LIBRARY)
    find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_LIBRARY LLHTTP_INCLUDE_DIR)
else()
    find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_SOURCE_DIR LLHTTP_INCLUDE_DIR
        REASON_FAILURE_MESSAGE "install libllhttp-dev, or node-llhttp on Debian 12")
endif()

if(LLHTTP_FOUND AND NOT TARGET LLHTTP::LLHTTP)
    if(LLHTTP_LIBRARY)
        add_library(LLHTTP::LLHTTP UNKNOWN IMPORTED)
        set_target_properties(LLHTTP::LLHTTP PROPERTIES IMPORTED_LOCATION ${LLHTTP_LIBRARY})
        target_include_directories(LLHTTP::LLHTTP SYSTEM INTERFACE ${LLHTTP_INCLUDE_DIR})
    else()
        add_library(millrace_llhttp STATIC ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c
                                           ${LLHTTP_SOURCE_DIR}/http.c)
        target_include_directories(millrace_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
        target_compile_definitions(millrace_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
        target_compile_options(millrace_llhttp PRIVATE -w -O2 -fstack-protector-strong)
        add_library(LLHTTP::LLHTTP ALIAS millrace_llhttp)
    endif()
endif()
