#pragma once

#include <string>

#include "base/json.h"
#include "base/options.h"
#include "data/augment/augment.h"
#include "data/dataset/loader.h"
#include "data/image/transform.h"
#include "model/config/lora_options.h"
#include "model/config/model_config.h"
#include "train/objective_options.h"
#include "train/quantization_options.h"
#include "train/run_options.h"
#include "train/schedule.h"

namespace edgeclip {

/// Parameters with a rate and decay of their own.
struct ParameterGroupOptions {
  std::vector<std::string>
      parameters;            ///< patterns (model/lora/name_match.h); "objective" has the losses' own
  double rate = 1;           ///< factor of the learning rate
  double weight_decay = -1;  ///< below 0: as without the group

  template <class Visitor>
  void fields(Visitor& v) {
    v("parameters", parameters,
      "names of modules or parameters; * stands for anything, 0-8 for these numbers, or re:EXPRESSION");
    v("rate", rate, "factor of the learning rate");
    v("weight_decay", weight_decay, "decay of all of them, vectors too; below 0: as without the group");
  }
  void validate(const std::string& where) const;
};

struct OptimizerOptions : ScheduleOptions {
  double weight_decay =
      0.1;  ///< AdamW, decoupled; not on biases, LayerNorm, embeddings of one dimension, logit_scale
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-6;
  double clip_norm = 1.0;                     ///< gradient norm; 0 = off
  int max_skipped = 3;                        ///< steps in a row
  std::vector<ParameterGroupOptions> groups;  ///< the first that names a parameter counts

  template <class Visitor>
  void fields(Visitor& v) {
    ScheduleOptions::fields(v);
    v("weight_decay", weight_decay, "AdamW's decoupled decay, on matrices only");
    v("beta1", beta1, "first moment");
    v("beta2", beta2, "second moment");
    v("eps", eps, "AdamW's epsilon");
    v("clip_norm", clip_norm, "gradients are scaled to this norm at most; 0 = off");
    v("max_skipped", max_skipped,
      "so many steps in a row whose loss or gradient is not finite are left out, then the run ends; 0: it ends at the first");
    v("groups", groups, "rates and decays of their own; the first that names a parameter counts");
  }
};

struct TrainOptions {
  TrainOptions() { augment.flip.probability = 0.5; }

  std::string about;                ///< for people
  ModelConfig model;                ///< with --init: the checkpoint's
  /// "none": all weights train | "adapter": a new adapter on --init's weights | "continue": the adapter that
  /// --init has, or --adapter names
  std::string lora_mode = "none";
  LoraOptions lora;                 ///< of a new adapter, or the dropout of one that goes on; an error without
  std::vector<std::string> train;   ///< modules and parameters that train whole beside an adapter
  std::string base_type = "fp32";   ///< of the frozen base of an adapter: "fp32" | "bf16" (half the memory)
  std::vector<std::string> freeze;  ///< modules and parameters that do not train (model/freeze.h)
  bool keep_zeros = false;          ///< weights that are 0 stay 0 (train/zero_weights.h)
  QuantizationAwareOptions quantization_aware;
  bool gradient_checkpointing = false;  ///< less memory for one more forward pass (model/recompute.h)
  OptimizerOptions optimizer;
  ImageTransform image;  ///< height and width are model.vision's; with --init: the checkpoint's but for what
                         ///< is asked for
  int batch = 64;
  int micro_batch = 0;  ///< > 0: so many pairs at a time in the towers (train/gradient_step.h)
  int epochs = 10;
  int steps = 0;  ///< > 0: exactly so many steps, instead of epochs
  LoadingOptions loading;
  AugmentOptions augment;          ///< by default half of the images are flipped
  ObjectiveOptions losses;         ///< what is minimized
  std::string precision = "auto";  ///< "fp32" | "bf16" | "auto" (bf16 where the CPU has it)
  int validate_every = 0;          ///< steps; 0: at the end of each epoch
  std::string best_by = "mAP";     ///< what "best" means, on the validation split (train/score.h)
  AverageOptions average;
  SavingOptions saving;
  EarlyStoppingOptions early_stopping;
  std::uint64_t seed = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("about", about, "what a configuration is for, in words; has no effect");
    v("model", model, "architecture; with --init it is the checkpoint's");
    fields_of_what_trains(v);
    v("image", image,
      "preprocessing; height and width follow the model; with --init the checkpoint's, but for what is set");
    fields_of_steps(v);
    fields_of_run(v);
  }
  void validate(const std::string& where) const;

 protected:
  template <class Visitor>
  void fields_of_what_trains(Visitor& v) {
    v("lora_mode", lora_mode, "train all weights, a new adapter on --init's, or the adapter it has further",
      {"none", "adapter", "continue"});
    v("lora", lora, "adapter");
    v("train", train, "what trains whole beside an adapter: names as for freeze (logit_scale, *.layer_norm1)");
    v("base_type", base_type, "how the frozen base of an adapter is stored; bf16 halves its memory",
      {"fp32", "bf16"});
    v("freeze", freeze,
      "what does not train: names of modules or parameters; * stands for anything, 0-8 for these numbers, or "
      "re:EXPRESSION");
    v("keep_zeros", keep_zeros,
      "weights of linear layers and convolutions that are 0 do not train: a network that was pruned by magnitude stays sparse");
    v("quantization_aware", quantization_aware, "trains a model that is to be int8 with int8 in the loop");
    v("gradient_checkpointing", gradient_checkpointing,
      "keep each block's input alone and compute it again in the backward pass: less memory, more time");
    v("optimizer", optimizer, "AdamW and the schedule of its rate");
  }
  template <class Visitor>
  void fields_of_steps(Visitor& v) {
    v("batch", batch, "pairs per step (unless loading.identities says otherwise)");
    v("micro_batch", micro_batch,
      "if positive: so many pairs at a time in the towers, with the gradient of the whole batch: less memory, one more forward pass");
    v("epochs", epochs, "passes over the training images (with loading.captions all: over their captions)");
    v("steps", steps, "if positive: exactly so many steps instead of epochs");
    v("loading", loading, "what an epoch and a batch hold, decoding, what happens to unreadable images");
    v("augment", augment, "random changes of images and captions");
    v("identity_targets", losses.contrastive.identity_targets,
      "pairs of one identity in a batch are all correct (false: those of one image), for losses.contrastive");
    v("losses", losses, "what is minimized: each loss and its weight");
    v("precision", precision, "bf16 products where the CPU has them, or as said", {"auto", "fp32", "bf16"});
  }
  template <class Visitor>
  void fields_of_run(Visitor& v) {
    v("validate_every", validate_every, "steps between validations; 0: each epoch");
    v("best_by", best_by,
      "what makes a checkpoint the best: mAP, mINP, R@1, R@5, R@10 (text to image), image_to_text.mAP and so on, loss, losses.NAME");
    v("average", average, "moving average of the weights");
    v("saving", saving, "when the run's state is saved, and what stays of it");
    v("early_stopping", early_stopping, "ends a run that gets no better");
    v("seed", seed, "of initialization, order, augmentation");
  }
};

struct TrainPaths {
  std::string data, out, init;
  bool resume = false;
  bool overwrite = false;    ///< an older run in `out` goes, once the new one has saved something
  Json named = nullptr;      ///< options that the caller named, with their defaults or not (asked_options.h)
  std::string image_root{};  ///< of the dataset's images, where they were moved; else ""
  std::string device = "auto";  ///< where it computes (train/device.h); a run may go on elsewhere
  std::string adapter{};     ///< of init, or a folder of PEFT's (load_checkpoint()); "": the one in use
};

/// Fills in what follows from other options, so that both say what is in force.  A new model: the image's
/// size. init: its architecture and preprocessing.  resume: all that was not asked for, and data and init,
/// are those of the run.  Throws InvalidInput naming what was asked for and would have no effect.
void settle_training(TrainOptions& options, TrainPaths& paths);

/// Trains, after settle_training(); writes out/metrics.jsonl, out/best, out/final (checkpoints).  On a
/// signal: finishes the step, writes out/final, throws Interrupted.  Returns the report.  Started by mpirun, srun or
/// torchrun's variables: together with the other processes (train/ranks.h); all but the first return null.
Json train(const TrainOptions& options, const TrainPaths& paths);

}  // namespace edgeclip
