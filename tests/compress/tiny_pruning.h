#pragma once

#include <gtest/gtest.h>

#include <string>

#include "compress/prune.h"
#include "train/tiny_training.h"

namespace edgeclip::test {

/// The tiny dataset, a model trained on it ("run") and an adapter on that ("adapter").
class TinyPruning : public TinyTraining {
 protected:
  static void SetUpTestSuite() {
    TinyTraining::SetUpTestSuite();
    TrainOptions options = tiny_train_options();
    options.epochs = 12;
    train(options, TinyTraining::paths("run"));
    options.epochs = 1;
    options.model = ModelConfig();  // comes with the checkpoint
    options.lora_mode = "adapter";
    options.lora.rank = 2;
    train(options, TinyTraining::paths("adapter", "run/final"));
  }
  static std::string at(const std::string& name) { return TinyTraining::at(name).string(); }
  static PrunePaths paths(const std::string& out, const std::string& checkpoint = "run/final") {
    return {at(checkpoint), at("data"), at(out)};
  }
  static PrunePaths overwriting(const std::string& out) {
    PrunePaths p = paths(out);
    p.overwrite = true;
    return p;
  }
  /// Without recovery.
  static PruneOptions options() {
    PruneOptions o;
    o.recovery = tiny_train_options();
    o.recovery.model = ModelConfig();  // comes with the checkpoint
    o.recovery.epochs = 0;
    o.calibration_batches = 5;  // more than an epoch has
    return o;
  }
};

}  // namespace edgeclip::test
