# Every library comes from Debian 12; scripts/setup.sh installs the packages.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(FlatBuffers REQUIRED)
find_program(EDGECLIP_FLATC flatc REQUIRED)  # of this machine, whatever is compiled for
find_library(EDGECLIP_XXHASH xxhash REQUIRED)

# Debian's dnnl-config.cmake asks for the OpenCL development files, which nothing here uses: found by hand instead.
find_library(EDGECLIP_DNNL dnnl REQUIRED)
find_path(EDGECLIP_DNNL_INCLUDE oneapi/dnnl/dnnl.hpp REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${EDGECLIP_DNNL} INTERFACE_INCLUDE_DIRECTORIES ${EDGECLIP_DNNL_INCLUDE})

if(EDGECLIP_TESTS)
  find_package(GTest REQUIRED)
endif()
if(EDGECLIP_ENGINE_ONLY)
  return()
endif()

find_package(PkgConfig REQUIRED)
find_package(CLI11 REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Freetype REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
find_package(Protobuf REQUIRED)
find_package(ONNX REQUIRED)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)

# Debian keeps OpenCV's CMake files in libopencv-dev, which pulls in every module (VTK, HDF5, ...); the modules that
# are used here have -dev packages of their own, so they are found one by one.
find_path(OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
foreach(module core imgproc imgcodecs videoio)
  find_library(OPENCV_${module} opencv_${module} REQUIRED)
  add_library(opencv::${module} UNKNOWN IMPORTED)
  set_target_properties(opencv::${module} PROPERTIES IMPORTED_LOCATION ${OPENCV_${module}}
                        INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${OPENCV_INCLUDE} INTERFACE_INCLUDE_DIRECTORIES ${OPENCV_INCLUDE})
endforeach()

# The reference BLAS is about 80 times slower than OpenBLAS, and nothing else would say so.
get_filename_component(blas_path /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libblas.so.3 REALPATH)
if(EDGECLIP_TORCH AND blas_path MATCHES "/blas/libblas")
  message(WARNING "libblas.so.3 is ${blas_path}, the slow reference BLAS: training will be about 80 times slower. "
                  "Remedy: apt-get install libopenblas0-openmp")
endif()

if(EDGECLIP_TORCH)
  find_package(Torch REQUIRED)
  # It says what libstdc++ does anyway, but g++ takes a precompiled header for no other command line than its own.
  get_target_property(torch_options torch INTERFACE_COMPILE_OPTIONS)
  list(REMOVE_ITEM torch_options "-D_GLIBCXX_USE_CXX11_ABI=1")
  set_target_properties(torch PROPERTIES INTERFACE_COMPILE_OPTIONS "${torch_options}")
endif()
