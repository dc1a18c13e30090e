# Files of assets/ in the program: millrace_assets(TARGET SYMBOL FILE...) adds a table of struct mr_asset (base/asset.h)
# to the target, each file as it is and compressed by gzip.
function(millrace_assets target symbol)
    set(out ${CMAKE_BINARY_DIR}/assets/${symbol}.c)
    list(TRANSFORM ARGN PREPEND ${CMAKE_SOURCE_DIR}/assets/ OUTPUT_VARIABLE files)
    add_custom_command(OUTPUT ${out} DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} -DDIRECTORY=${CMAKE_SOURCE_DIR}/assets
                "-DNAMES=${ARGN}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
    target_sources(${target} PRIVATE ${out})
endfunction()
