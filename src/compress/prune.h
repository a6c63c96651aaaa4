#pragma once

#include <string>

#include "base/json.h"
#include "train/train.h"

namespace edgeclip {

/// The training after the cut, a run like any other: all of TrainOptions but what comes with the pruned checkpoint (architecture and
/// preprocessing).
struct RecoveryOptions : TrainOptions {
  using TrainOptions::operator=;

  template <class Visitor>
  void fields(Visitor& v) {
    fields_of_what_trains(v);
    fields_of_steps(v);
    fields_of_run(v);
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

struct PrunePaths {
  std::string checkpoint, data, out;
  std::string image_root{};     ///< of the dataset's images, where they were moved; else ""
  bool resume = false;          ///< goes on with the recovery of an interrupted pruning into `out`
  bool overwrite = false;       ///< replaces a checkpoint in `out`, and without resume an interrupted pruning into it
  std::string device = "auto";  ///< where it computes (train/device.h)
  Json named = nullptr;         ///< options that the caller named, with their defaults or not (train/asked_options.h)
};

/// resume: all that was not asked for is that of the interrupted pruning.  Throws InvalidInput if there is none, or naming what was
/// asked for and is not what it was started with.
void settle_pruning(PruneOptions& options, PrunePaths& paths);

/// Checkpoint to smaller checkpoint, after settle_pruning().  With recovery the pruned checkpoint is first written beside `out`
/// (recovery.h) and trained in a run folder; `out` becomes the best of that run, with the run's log in `out`/recovery.  On a signal
/// in the recovery throws Interrupted, with its state saved.  In one process only.  Returns the report (neurons before and after per
/// layer, parameters, metrics).
Json prune(const PruneOptions& options, const PrunePaths& paths);

}  // namespace edgeclip
