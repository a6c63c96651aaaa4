# The shared libraries of the C headers, and the CMake package and pkg-config files by which others find them.
include(CMakePackageConfigHelpers)

# Changes with EDGECLIP_ABI_MAJOR and EDGECLIP_ABI_MINOR of the header: programs ask for libNAME.so.MAJOR.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/engine/c_api/edgeclip_engine.h abi REGEX "define EDGECLIP_ABI_M[AI][JN]OR")
string(REGEX REPLACE ".*ABI_MAJOR ([0-9]+).*ABI_MINOR ([0-9]+).*" "\\1;\\2" abi "${abi}")
list(GET abi 0 EDGECLIP_ABI_MAJOR)
list(GET abi 1 EDGECLIP_ABI_MINOR)

# edgeclip_shared_library(<name> OUTPUT <file name> FOLDERS <folder of src/>... LIBS <library>...)
#
# The shared library edgeclip::<name> of the C functions in src/<folder>/c_api, over static libraries of ours.  Only what
# begins with edgeclip_ is seen from outside (cmake/edgeclip.map): no symbol of ours or of a library's meets a program's own.
# These sources are in no static library, so that nothing else takes them for its own.
function(edgeclip_shared_library name)
  cmake_parse_arguments(A "" "OUTPUT" "FOLDERS;LIBS" ${ARGN})
  set(target edgeclip_shared_${name})
  set(sources "")
  set(headers "")
  foreach(folder ${A_FOLDERS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/c_api/*.cpp)
    list(APPEND sources ${found})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/c_api/edgeclip*.h*)
    list(APPEND headers ${found})
  endforeach()
  set(map ${CMAKE_SOURCE_DIR}/cmake/edgeclip.map)
  add_library(${target} SHARED ${sources})
  edgeclip_shareable(${target})
  target_precompile_headers(${target} REUSE_FROM edgeclip_pch)
  foreach(folder ${A_FOLDERS})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src/${folder}/c_api>)
  endforeach()
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} PRIVATE edgeclip_flags ${A_LIBS})
  # Never unloaded: OpenMP's threads, and ours, may be in it.
  target_link_options(${target} PRIVATE -Wl,--version-script=${map} -Wl,--no-undefined -Wl,--as-needed -Wl,-z,nodelete)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${A_OUTPUT} EXPORT_NAME ${name} LINK_DEPENDS ${map}
                        SOVERSION ${EDGECLIP_ABI_MAJOR} VERSION ${EDGECLIP_ABI_MAJOR}.${EDGECLIP_ABI_MINOR})
  add_library(edgeclip::${name} ALIAS ${target})
  install(TARGETS ${target} EXPORT edgeclip-targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib_${name} NAMELINK_COMPONENT dev)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

  # Found from where the file lies, so that the folder may be moved.
  file(RELATIVE_PATH EDGECLIP_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  set(EDGECLIP_PC_LIBRARY ${A_OUTPUT})
  string(REPLACE "_" "-" file ${A_OUTPUT})
  configure_file(${CMAKE_SOURCE_DIR}/cmake/edgeclip.pc.in ${CMAKE_BINARY_DIR}/generated/${file}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/${file}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
endfunction()

# find_package(edgeclip): what was made by edgeclip_shared_library().
function(edgeclip_install_package)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/edgeclip)
  install(EXPORT edgeclip-targets NAMESPACE edgeclip:: DESTINATION ${folder} COMPONENT dev)
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/edgeclip-config.cmake.in
                                ${CMAKE_BINARY_DIR}/generated/edgeclip-config.cmake INSTALL_DESTINATION ${folder})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/edgeclip-config-version.cmake COMPATIBILITY SameMajorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/generated/edgeclip-config.cmake ${CMAKE_BINARY_DIR}/generated/edgeclip-config-version.cmake
          DESTINATION ${folder} COMPONENT dev)
endfunction()
