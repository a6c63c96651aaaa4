#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "model/towers/prune_group.h"
#include "model/transformer.h"

namespace edgeclip {

class Profiler;

/// What both kinds of towers have.  name, in all that follow: the tower's own in its model ("vision_model").
class TowerImpl : public torch::nn::Module {
 public:
  /// Random weights from torch's generator, as the tower's own library draws them.
  virtual void initialize() = 0;
  /// Its transformer blocks, whose name below the tower is blocks_name(); empty if it has none.
  virtual Transformer blocks() const { return Transformer(nullptr); }
  virtual const char* blocks_name() const { return ""; }
  /// What can be cut out of it, first to last, with what that saves of a pass of one image, or of one caption of `tokens` tokens.
  virtual std::vector<PruneGroup> prune_groups(const std::string& name, double tokens) = 0;
  /// Blocks that it could do without, one at a time: whose input and output have one shape.
  virtual std::vector<PruneBlock> prune_blocks(const std::string& name) = 0;
  /// What of it can learn to be int8, first to last: as quantization finds it in the exported graph.
  virtual std::vector<QuantizableValue> quantizable(const std::string& name) = 0;
  /// Gradient checkpointing, block by block, in training mode.
  virtual void recompute_blocks(bool on) = 0;
};

/// Images to vectors.  hidden, in all towers: states for tests, appended if not null.
class ImageTower : public TowerImpl {
 public:
  /// pixels (B, 3, H, W) float32 -> (B, width).  Throws InvalidInput if the shape is not the tower's.
  virtual torch::Tensor forward(const torch::Tensor& pixels, ComputeType compute = ComputeType::f32,
                                std::vector<torch::Tensor>* hidden = nullptr) = 0;
  /// Its rows (profile.h), for `batch` images.
  virtual void profile(Profiler& profiler, const std::string& name, std::int64_t batch) const = 0;
};

/// Captions to vectors.
class TextTower : public TowerImpl {
 public:
  /// tokens (B, T) of an integer type, T from 1 to the context length -> (B, width).  Each caption is computed
  /// as long as it is: what follows it changes nothing and costs nothing, unless hidden states are asked for.
  /// Throws InvalidInput for ids outside the vocabulary.
  virtual torch::Tensor forward(const torch::Tensor& tokens, ComputeType compute = ComputeType::f32,
                                std::vector<torch::Tensor>* hidden = nullptr) = 0;
  /// (B, T) bool: whether a position belongs to its caption.
  virtual torch::Tensor valid_tokens(const torch::Tensor& tokens) const = 0;
  /// Its rows (profile.h), for `batch` captions of `tokens` tokens.
  virtual void profile(Profiler& profiler, const std::string& name, std::int64_t batch,
                       std::int64_t tokens) const = 0;
};

/// Throws InvalidInput unless pixels are (B, 3, height, width).
void require_pixels(const torch::Tensor& pixels, int height, int width);
/// As int64.  Throws InvalidInput unless tokens are (B, 1 to context) with ids below vocabulary.
torch::Tensor require_tokens(const torch::Tensor& tokens, int context, int vocabulary);
/// The rows of captions (B, T), of which position last[b] is the last that counts: each caption's so far, on the
/// CPU; up to the longest elsewhere, where one padded batch costs less than many pieces; all, if all are asked for.
Sequences caption_rows(const torch::Tensor& last, std::int64_t T, bool all);
/// The blocks' rows (B T, W), each as (B, T, W); nothing of a null pointer.
void separate(std::vector<torch::Tensor>* hidden, std::int64_t batch);
/// A module that only groups others: a LibTorch name may hold no dot.
std::shared_ptr<torch::nn::Module> group(torch::nn::Module& parent, const std::string& name);
/// LayerNorms to 1 and 0, biases of linear layers to 0.
void initialize_plain(torch::nn::Module& module);

}  // namespace edgeclip
