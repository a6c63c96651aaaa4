# edgeclip_test_suites(<program> <label>)
#
# One entry of ctest for every test suite of a program, listed when the program is built.  A program that links LibTorch
# takes a second to start: an entry for every test (gtest_discover_tests) spends more on starting than on testing.
#
# An entry fails if a test of it fails, if its process ends in any other way, and if it has no test; it counts as skipped if
# no test fails and one is skipped (tests/support/main.cpp).  What became of every single test is in
# test_results/<entry>.xml, which scripts/test.sh reads.
set(EDGECLIP_TEST_RESULTS ${CMAKE_BINARY_DIR}/test_results)
function(edgeclip_test_suites program label)
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${program}_suites.cmake)
  add_custom_command(TARGET ${program} POST_BUILD BYPRODUCTS ${list} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -D program=$<TARGET_FILE:${program}> -D label=${label} -D list=${list}
                             "-Demulator=${CMAKE_CROSSCOMPILING_EMULATOR}"
                             -D results=${EDGECLIP_TEST_RESULTS} -P ${CMAKE_SOURCE_DIR}/cmake/list_suites.cmake)
  set(include ${CMAKE_CURRENT_BINARY_DIR}/${program}_include.cmake)
  file(WRITE ${include} "if(EXISTS \"${list}\")\n  include(\"${list}\")\nelse()\n"
                        "  add_test(${program}_NOT_BUILT ${program}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include})
endfunction()

# edgeclip_test_entry(<label>.<name> <program> <filter> [<test property> <value>...]): one entry with tests of one's choice.
function(edgeclip_test_entry name program filter)
  string(REGEX REPLACE "\\..*" "" label ${name})
  add_test(NAME ${name} COMMAND ${program} --gtest_filter=${filter})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS ${label} SKIP_RETURN_CODE 77
                       ENVIRONMENT "EDGECLIP_SKIP_CODE=77;GTEST_OUTPUT=xml:${EDGECLIP_TEST_RESULTS}/${name}.xml" ${ARGN})
endfunction()
