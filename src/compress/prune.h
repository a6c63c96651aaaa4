#pragma once

#include <string>

#include "base/json.h"
#include "train/train.h"

namespace edgeclip {

/// A training without a run folder, on the checkpoint's own architecture and preprocessing: those of
/// TrainOptions that have an effect there.
struct RecoveryOptions : TrainOptions {
  using TrainOptions::operator=;

  template <class Visitor>
  void fields(Visitor& v) {
    fields_of_what_trains(v);
    fields_of_steps(v);
    v("seed", seed, "of order, augmentation and new adapters");
  }
};

struct PruneOptions {
  double mlp_ratio = 0.3;  ///< part of the MLP neurons removed, over both towers
  std::string importance =
      "taylor";        ///< "taylor" (|activation * gradient|) | "magnitude" (|activation| * |fc2 column|)
  bool global = true;  ///< one ranking over all layers; false: the same part of each
  /// How layers compare in it (selection.h); "auto": taylor's scores as they are, magnitudes by their layer's mean.
  std::string ranking = "auto";
  int multiple = 8;    ///< neurons kept per layer are a multiple of this
  double min_keep = 0.25;  ///< no layer keeps less than this part
  int calibration_batches = 8;
  RecoveryOptions recovery;  ///< short training after the cut; steps 0 and epochs 0: none

  template <class Visitor>
  void fields(Visitor& v) {
    v("mlp_ratio", mlp_ratio, "part of the MLP neurons removed");
    v("importance", importance, "score of a neuron on calibration batches", {"taylor", "magnitude"});
    v("global", global, "one ranking over all layers, or the same part of each");
    v("ranking", ranking,
      "how neurons of different layers compare: score, score_per_mac (of what goes with the neuron), layer_mean (score by its "
      "layer's mean); auto: score of taylor, layer_mean of magnitude",
      {"auto", "score", "score_per_mac", "layer_mean"});
    v("multiple", multiple, "kept neurons per layer are a multiple of this");
    v("min_keep", min_keep, "no layer keeps less than this part");
    v("calibration_batches", calibration_batches, "batches the score is computed on");
    v("recovery", recovery, "training after the cut");
  }
  void validate(const std::string& where) const;
};

/// Checkpoint to smaller checkpoint.  Returns the report (neurons before and after per layer, parameters,
/// metrics).  image_root: of the dataset's images, where they were moved; else "".  device: train/device.h.
Json prune(const PruneOptions& options, const std::string& checkpoint, const std::string& data,
           const std::string& out, const std::string& image_root = {}, bool overwrite = false,
           const std::string& device = "auto");

}  // namespace edgeclip
