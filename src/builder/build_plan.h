#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/quantize/quantize_graph.h"

namespace edgeclip::builder {

struct BuildOptions {
  std::string bundle;  ///< or
  std::string model;   ///< an ONNX file: its plan has one graph, "model"
  std::string out;
  bool overwrite = false;                ///< a plan at `out` may be replaced
  std::string precision = "fp32";        ///< "fp32" | "fp16" | "bf16" | "int8" | "mixed"
  std::vector<int> batches = {1, 4, 8};  ///< of a bundle; empty for a model
  std::vector<std::string> shape;        ///< of a model's inputs: builder/input_shapes.h
  std::string card;                      ///< of a model: JSON file of its model card; "": task "none"
  std::int64_t memory_pool_mb = 256;
  bool strict = false;  ///< no layer may run by a readable reference kernel: CheckNotMet names them
  std::string
      calibration;  ///< int8 and mixed of a float32 model: a prepared dataset; of a bundle or its
                    ///< calibration.json; of a model or a folder (builder/quantize/calibration_samples.h)
  std::string calibrator = "percentile";  ///< calibrators()
  double mixed_min_sqnr = kMixedMinSqnr;  ///< dB, of a layer in int8; below, mixed leaves it in bf16
  std::string image_root;                 ///< of that dataset's images, where they were moved; else ""
  std::string dump_graph, dump_dir;       ///< as GraphDump takes them; each tower in a folder of its name
};

/// Imports, optimizes, checks every profile (of batches, or of shapes) against the memory pool, writes the
/// plan; returns the report (passes, arena bytes per profile, layers that run by reference kernels, sizes).
/// Throws InvalidInput naming the option or the file; CheckNotMet for `strict`.  A plan appears whole or not
/// at all.
Json build_plan(const BuildOptions& options);

}  // namespace edgeclip::builder
