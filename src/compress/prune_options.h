#pragma once

#include <string>
#include <vector>

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
  double mlp_ratio = 0.3;  ///< part of the MLP neurons removed, over both towers; 0 where only something else is asked for
  double head_ratio = 0;   ///< of the attention heads, likewise
  double channel_ratio = 0;  ///< of the channels of convolutions
  int blocks = 0;            ///< whole blocks removed, before all else
  double target_macs = 0;    ///< > 0: until a pass takes at most this part of its multiply-accumulates
  double target_latency = 0;  ///< > 0: until the engine takes at most so many milliseconds for an image and a caption
  std::vector<std::string> kinds = {"neurons", "heads", "channels"};  ///< what may go for a target
  double sparsity = 0;           ///< part of the weights that become 0, in the shapes that are left
  double sparsity_threshold = 0;  ///< weights of a smaller absolute value become 0
  bool sparsity_global = true;    ///< `sparsity` of all weights together; false: of each layer
  std::string importance = "taylor";  ///< of a unit (importance.h)
  bool global = true;                 ///< one ranking over all layers; false: the same part of each
  /// How layers compare in it (selection.h); "auto": taylor's scores as they are, others by their layer's mean.
  std::string ranking = "auto";
  int multiple = 8;        ///< neurons and channels kept per layer are a multiple of this
  double min_keep = 0.25;  ///< no layer keeps less than this part
  int calibration_batches = 8;
  int rounds = 1;            ///< cut and recover so many times, each time a part of the way
  RecoveryOptions recovery;  ///< short training after each cut; steps 0 and epochs 0: none

  template <class Visitor>
  void fields(Visitor& v) {
    v("mlp_ratio", mlp_ratio, "part of the MLP neurons removed; 0 where only something else is asked for");
    v("head_ratio", head_ratio, "part of the attention heads removed");
    v("channel_ratio", channel_ratio, "part of the channels of convolutions removed");
    v("blocks", blocks, "whole blocks removed first: each time the one without which the loss is least");
    v("target_macs", target_macs,
      "instead of ratios: the part of a pass's multiply-accumulates that may be left (one image, one caption of mean length)");
    v("target_latency", target_latency,
      "instead of ratios: milliseconds that the engine may take for one image and one caption, measured here");
    v("kinds", kinds, "what may go for a target: neurons, heads, channels");
    v("sparsity", sparsity, "part of the weights of linear layers and convolutions that become 0, and stay 0 in the recovery");
    v("sparsity_threshold", sparsity_threshold, "weights of a smaller absolute value become 0, likewise");
    v("sparsity_global", sparsity_global, "the part of all weights together, or of each layer");
    v("importance", importance, "score of a neuron, head or channel on calibration batches, or of its weights alone",
      {"taylor", "activation", "magnitude"});
    v("global", global, "one ranking over all layers, or the same part of each");
    v("ranking", ranking,
      "how layers compare: score, score_per_mac (of what goes with the unit), layer_mean (score by its layer's mean); auto: score of "
      "taylor, layer_mean of the others",
      {"auto", "score", "score_per_mac", "layer_mean"});
    v("multiple", multiple, "kept neurons and channels per layer are a multiple of this");
    v("min_keep", min_keep, "no layer keeps less than this part");
    v("calibration_batches", calibration_batches, "batches the score is computed on");
    v("rounds", rounds, "cut and recover so many times, each time an equal part of the way");
    v("recovery", recovery, "training after each cut");
  }
  void validate(const std::string& where) const;

  bool has_target() const { return target_macs > 0 || target_latency > 0; }
  bool removes_units() const { return has_target() || mlp_ratio > 0 || head_ratio > 0 || channel_ratio > 0; }
  /// Whether anything but mlp_ratio says what goes.
  bool has_other_goal() const { return has_target() || head_ratio > 0 || channel_ratio > 0 || blocks > 0 || sparsifies(); }
  bool sparsifies() const { return sparsity > 0 || sparsity_threshold > 0; }
  bool recovers() const { return recovery.steps > 0 || recovery.epochs > 0; }
};

}  // namespace edgeclip
