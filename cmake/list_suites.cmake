# Run by edgeclip_test_suites when a test program is built: writes `list`, a ctest entry for each of its suites, run by `emulator`
# if there is one.
execute_process(COMMAND ${emulator} ${program} --gtest_list_tests OUTPUT_VARIABLE output RESULT_VARIABLE result TIMEOUT 60)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${program} --gtest_list_tests: ${result}\n${output}")
endif()
string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\.[^\n]*" suites "${output}")
set(run "")
foreach(word IN LISTS emulator)
  string(APPEND run "[==[${word}]==] ")
endforeach()
set(script "")
foreach(line IN LISTS suites)
  string(REGEX REPLACE "^\n?([A-Za-z0-9_/]+)\\..*" "\\1" suite "${line}")
  string(REPLACE "/" "_" file ${suite})
  string(APPEND script "add_test([==[${label}.${suite}]==] ${run} [==[${program}]==] \"--gtest_filter=${suite}.*\")\n"
                       "set_tests_properties([==[${label}.${suite}]==] PROPERTIES TIMEOUT 900 LABELS ${label} SKIP_RETURN_CODE 77 "
                       "ENVIRONMENT [==[EDGECLIP_SKIP_CODE=77;GTEST_OUTPUT=xml:${results}/${label}.${file}.xml]==])\n")
endforeach()
if(NOT suites)
  message(FATAL_ERROR "${program} has no tests:\n${output}")
endif()
file(WRITE ${list} "${script}")
