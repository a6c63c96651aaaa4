#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace edgeclip::builder {

struct BuildOptions {
  std::string bundle, out;
  bool overwrite = false;          ///< a plan at `out` may be replaced
  std::string precision = "fp32";  ///< "fp32" | "int8"
  std::vector<int> batches = {1, 4, 8};
  std::int64_t memory_pool_mb = 256;
  bool strict = false;      ///< no layer may run by a readable reference kernel: CheckNotMet names them
  std::string calibration;  ///< int8 of an fp32 bundle: a prepared dataset or a calibration.json; an int8
                            ///< bundle needs none
  std::string image_root;   ///< of that dataset's images, where they were moved; else ""
};

/// Imports, optimizes, checks every batch profile against the memory pool, writes the plan; returns the
/// report (passes, arena bytes per profile, layers that run by reference kernels, sizes).
Json build_plan(const BuildOptions& options);

}  // namespace edgeclip::builder
