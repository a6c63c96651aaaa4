# Debian packages (scripts/package.sh): one per component that install() names, but for the workshop, which is built where it
# is used.
install(DIRECTORY examples/embed_c examples/embed_cpp DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libedgeclip-dev/examples COMPONENT dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "edgeclip <maintainers@edgeclip.invalid>")
set(CPACK_PACKAGE_VENDOR edgeclip)
# What CPack takes for none of the project's: it would be every package's summary, before its own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "edgeclip built using CMake")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL edge sentencepiece media lib_engine lib_edgeclip dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

# edgeclip_package(<component> <name> <section> <summary> <more text> [<control field> <value>...])
macro(edgeclip_package component name section summary text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}")
  set(fields ${ARGN})
  while(fields)
    list(POP_FRONT fields field value)
    set(CPACK_DEBIAN_${upper}_PACKAGE_${field} "${value}")
  endwhile()
endmacro()

set(same "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
edgeclip_package(edge edgeclip-edge utils "finds people in pictures by a sentence"
                 "Builds plans from ONNX models, indexes images and searches them, with an inference engine of its own."
                 DEPENDS "edgeclip-sentencepiece ${same}" RECOMMENDS "edgeclip-media ${same}, fonts-dejavu-core")
edgeclip_package(sentencepiece edgeclip-sentencepiece libs "sentencepiece tokenizers for edgeclip"
                 "A module that edgeclip-edge and libedgeclip load where a model has such a tokenizer.")
edgeclip_package(media edgeclip-media libs "video, archives and rarer image formats for edgeclip"
                 "A module that edgeclip-edge and libedgeclip load where such a file is opened. JPEG and PNG need it not.")
edgeclip_package(lib_engine libedgeclip-engine${EDGECLIP_ABI_MAJOR} libs "inference engine of edgeclip"
                 "Runs plans that edgeclip-edge builds of ONNX models: tensors in, tensors out.")
edgeclip_package(lib_edgeclip libedgeclip${EDGECLIP_ABI_MAJOR} libs "finds people in pictures by a sentence, as a library"
                 "Encodes texts and images and searches galleries that edgeclip-edge made."
                 DEPENDS "edgeclip-sentencepiece ${same}" SUGGESTS "edgeclip-media ${same}")
edgeclip_package(dev libedgeclip-dev libdevel "headers of libedgeclip and libedgeclip-engine"
                 "C and C++ headers, CMake and pkg-config files, examples."
                 DEPENDS "libedgeclip${EDGECLIP_ABI_MAJOR} ${same}, libedgeclip-engine${EDGECLIP_ABI_MAJOR} ${same}")
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
include(CPack)
