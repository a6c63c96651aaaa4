# Flags of our own code, as an interface target, so that no third-party header is held to them.
add_library(edgeclip_flags INTERFACE)
target_compile_options(edgeclip_flags INTERFACE -Wall -Wextra -Wno-unused-parameter -fno-math-errno -fno-trapping-math)
# GCC 12 moves a pair of floats through an MMX register where it vectorizes, without emms behind it: long double, which
# shares those registers, is NaN from then on in that thread (docs/traps.md).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(edgeclip_flags INTERFACE -mno-mmx)
endif()
if(EDGECLIP_WERROR)
  target_compile_options(edgeclip_flags INTERFACE -Werror)
endif()
# Sources that compute have -O3 (COMPUTES of edgeclip_library): everywhere it takes longer to compile and makes nothing faster.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
if(EDGECLIP_SANITIZE)
  target_compile_options(edgeclip_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                                                  -fno-omit-frame-pointer)
  target_link_options(edgeclip_flags INTERFACE -fsanitize=address,undefined)
  # Optimizing instrumented code doubles the time to compile it and finds no more faults.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O0 -g1")
endif()

if(EDGECLIP_SANITIZE_THREADS)
  target_compile_options(edgeclip_flags INTERFACE -fsanitize=thread)
  target_link_options(edgeclip_flags INTERFACE -fsanitize=thread)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
endif()

if(EDGECLIP_FUZZ)
  target_compile_options(edgeclip_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined
                                                  -fno-sanitize-recover=undefined -g1 -O1)
  target_link_options(edgeclip_flags INTERFACE -fsanitize=address,undefined)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  message(STATUS "ccache: ${CCACHE_PROGRAM}")
  # A precompiled header is cached only if ccache may ignore the times and defines in it.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
