# edgeclip_sees_torch(<variable> <file>): whether the file includes LibTorch's headers, itself or through ours.
function(edgeclip_sees_torch out file)
  get_property(sees GLOBAL PROPERTY EDGECLIP_SEES_TORCH_${file})
  if("${sees}" STREQUAL "")
    set(sees OFF)
    set_property(GLOBAL PROPERTY EDGECLIP_SEES_TORCH_${file} OFF)  # for one that includes itself
    file(STRINGS ${file} lines REGEX "^ *# *include")
    foreach(line IN LISTS lines)
      if(line MATCHES "<(torch|ATen|c10)/")
        set(sees ON)
      elseif(line MATCHES "\"([^\"]+)\"" AND EXISTS ${CMAKE_SOURCE_DIR}/src/${CMAKE_MATCH_1})
        edgeclip_sees_torch(sees ${CMAKE_SOURCE_DIR}/src/${CMAKE_MATCH_1})
      endif()
      if(sees)
        break()
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY EDGECLIP_SEES_TORCH_${file} ${sees})
  endif()
  set(${out} ${sees} PARENT_SCOPE)
endfunction()

# edgeclip_unity(<target> <sees LibTorch>): whether a target's sources are compiled several as one.
#
# A source that sees LibTorch spends most of its time on LibTorch's headers (g++ instantiates what a precompiled header left
# pending once more in every source), so that eight at a time take little more than one.  The others only where everything
# is built from nothing each time (EDGECLIP_UNITY=ALL).  Sources with compile options of their own stay by themselves.
function(edgeclip_unity target torch)
  if(EDGECLIP_UNITY STREQUAL "ALL" OR (EDGECLIP_UNITY STREQUAL "TORCH" AND torch))
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# edgeclip_shareable(<target>): its objects may become part of the shared libraries (src/CMakeLists.txt), and cost no more for it.
#
# Symbols are hidden: position-independent code of what another library could replace calls itself through a table, and is
# not inlined.  All that share the precompiled header need the same options.
function(edgeclip_shareable target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# edgeclip_library(<name> [DIR <folder below src>] [TORCH] [ARROWS <edgeclip target>...] [LIBS <library>...]
#                  [EXCLUDE <regex>] [COMPUTES <regex>])
#
# One static library per folder of src/, with every .cpp below it (a folder is a unit: adding a file touches no list).
# ARROWS are the folders it may use: the tests compare them, and every #include, with the map in docs/architecture.md.
# COMPUTES names the sources whose own loops take the time: they are optimized further (-O3) than the rest (-O2).
function(edgeclip_library name)
  cmake_parse_arguments(A "TORCH" "DIR;EXCLUDE;COMPUTES" "ARROWS;LIBS" ${ARGN})
  if(NOT A_DIR)
    set(A_DIR ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${A_DIR}/*.cpp)
  if(A_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${A_EXCLUDE})
  endif()
  if(A_COMPUTES AND CMAKE_BUILD_TYPE STREQUAL "Release")
    set(computing ${sources})
    list(FILTER computing INCLUDE REGEX ${A_COMPUTES})
    set_source_files_properties(${computing} PROPERTIES COMPILE_OPTIONS -O3)
  endif()
  set(arrows ${A_ARROWS})
  list(TRANSFORM arrows PREPEND edgeclip_)

  if(A_TORCH)
    # What does not see LibTorch's headers is spared their precompiled form too: a set of objects beside the others.
    set(plain "")
    foreach(source ${sources})
      edgeclip_sees_torch(sees ${source})
      if(NOT sees)
        list(APPEND plain ${source})
      endif()
    endforeach()
    if(plain)
      list(REMOVE_ITEM sources ${plain})
      add_library(edgeclip_${name}_plain OBJECT ${plain})
      target_include_directories(edgeclip_${name}_plain PRIVATE ${CMAKE_SOURCE_DIR}/src)
      target_link_libraries(edgeclip_${name}_plain PRIVATE edgeclip_flags ${arrows} ${A_LIBS})
      target_precompile_headers(edgeclip_${name}_plain REUSE_FROM edgeclip_pch)
      edgeclip_shareable(edgeclip_${name}_plain)
      edgeclip_unity(edgeclip_${name}_plain OFF)
      list(APPEND sources $<TARGET_OBJECTS:edgeclip_${name}_plain>)
    endif()
  endif()
  add_library(edgeclip_${name} STATIC ${sources})
  target_include_directories(edgeclip_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(edgeclip_${name} PRIVATE edgeclip_flags PUBLIC ${arrows} ${A_LIBS})
  if(A_TORCH)
    target_link_libraries(edgeclip_${name} PUBLIC edgeclip_torch)
    target_precompile_headers(edgeclip_${name} REUSE_FROM edgeclip_torch_pch)
  else()
    target_precompile_headers(edgeclip_${name} REUSE_FROM edgeclip_pch)
    edgeclip_shareable(edgeclip_${name})
  endif()
  edgeclip_unity(edgeclip_${name} ${A_TORCH})
  set_property(GLOBAL APPEND PROPERTY EDGECLIP_LIBRARIES ${name})
endfunction()
