#include "cli/runtime/system_info.h"

#include <flatbuffers/base.h>
#include <google/protobuf/stubs/common.h>
#include <onnx/common/version.h>
#include <png.h>

#include <jpeglib.h>
#include <CLI/Version.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <opencv2/core/version.hpp>
#include <set>
#include <sstream>
#include <string>

#include "base/log.h"
#include "base/process_metrics.h"
#include "base/threads.h"
#include "cli/runtime/blas.h"
#include "engine/runtime/machine_peaks.h"
#include "kernels/cpu_features.h"

namespace edgeclip {

namespace {

/// Features that kernels choose by, in the words of /proc/cpuinfo.
const std::set<std::string> kInteresting = {
    "sse4_1",   "sse4_2",   "avx",         "avx2",        "fma",      "f16c",     "avx_vnni", "avx512f",
    "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16", "asimd",
    "asimdhp",  "asimddp",  "i8mm",        "bf16",        "sve",      "sve2"};

struct Cpu {
  std::string model = "unknown";
  Json features = Json::array();
};

Cpu read_cpu() {
  Cpu cpu;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1),
                      value = line.substr(colon + 1);
    if (key == "model name" && cpu.model == "unknown")
      cpu.model = value.substr(std::min(value.size(), std::size_t{1}));
    if ((key == "flags" || key == "Features") && cpu.features.empty()) {
      std::istringstream words(value);
      for (std::string word; words >> word;)
        if (kInteresting.count(word) != 0) cpu.features.push_back(word);
    }
  }
  return cpu;
}

Json library_versions() {
  const dnnl_version_t* dnnl = dnnl_version();
  return {{"oneDNN", fmt::format("{}.{}.{}", dnnl->major, dnnl->minor, dnnl->patch)},
          {"OpenCV", CV_VERSION},
          {"ONNX", onnx::LAST_RELEASE_VERSION},
          {"protobuf", fmt::format("{}.{}.{}", GOOGLE_PROTOBUF_VERSION / 1000000,
                                   GOOGLE_PROTOBUF_VERSION / 1000 % 1000, GOOGLE_PROTOBUF_VERSION % 1000)},
          {"FlatBuffers", fmt::format("{}.{}.{}", FLATBUFFERS_VERSION_MAJOR, FLATBUFFERS_VERSION_MINOR,
                                      FLATBUFFERS_VERSION_REVISION)},
          {"libpng", png_get_libpng_ver(nullptr)},
          {"libjpeg API", JPEG_LIB_VERSION},
          {"CLI11", CLI11_VERSION},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
          {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)}};
}

/// What products run at, and how a plan in less than float32 compares where they decide.
Json product_rates() {
  Json gmacs = Json::object();
  for (const char* precision : {"fp32", "bf16", "int8"})
    gmacs[precision] = engine::measure_gmacs(precision, thread_count());
  const double fp32 = gmacs["fp32"];
  return {{"level", kernels::level_name(kernels::cpu_level())},
          {"gmacs", gmacs},
          {"expected_speedup", {{"bf16", gmacs["bf16"].get<double>() / fp32}, {"int8", gmacs["int8"].get<double>() / fp32}}}};
}

}  // namespace

Json system_info() {
  const Cpu cpu = read_cpu();
  const std::string blas = blas_path();
  return {{"cpu", cpu.model},
          {"features", cpu.features},
          {"products", product_rates()},
          {"cpus", available_cpus()},
          {"threads", thread_count()},
          {"memory_mb", usable_memory_bytes() >> 20},
          {"blas", blas.empty() ? Json(nullptr) : Json(blas)},
          {"blas_is_reference", is_reference_blas(blas)},
          {"libraries", library_versions()}};
}

}  // namespace edgeclip
