#pragma once

#include "model/batch_norm.h"
#include "model/config/model_config.h"
#include "model/tap.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// 1x1, 3x3 (which has the stride), 1x1 with BatchNorm and a shortcut.  (B, in, H, W) -> (B, out, H/s, W/s)
class BottleneckImpl : public torch::nn::Module {
 public:
  /// inner: channels behind the 1x1, and behind the 3x3.
  BottleneckImpl(int in, InnerSizes inner, int out, int stride, bool with_shortcut);
  torch::Tensor forward(const torch::Tensor& x, ComputeType compute);

  const int stride;
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr};
  BatchNorm bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  torch::nn::Conv2d shortcut{nullptr};  ///< downsample.0, where the shape changes; else empty
  BatchNorm shortcut_norm{nullptr};     ///< downsample.1
  /// As Linear has them, of the four convolutions; its own input is read by conv1 and the shortcut.
  std::shared_ptr<ValueRange> input_range, second_range, third_range;
  int bits1 = 0, bits2 = 0, bits3 = 0, shortcut_bits = 0;
  Tap first, second;  ///< behind the 1x1, behind the 3x3, (B, C, H, W)
  Tap written;        ///< what it adds to the stream: (B, C, H, W), and where it projects its input, that too
};
TORCH_MODULE(Bottleneck);

/// torchvision's ResNet (He et al. 2015, arXiv:1512.03385; stride in the 3x3, "v1.5") without its classifier,
/// under torchvision's names.  Takes any input size; pooled is the mean over all positions.
/// hidden: the stem's output after pooling, then each stage's, (B, C, h, w).
class ResNet : public ImageTower {
 public:
  explicit ResNet(const VisionConfig& config);
  torch::Tensor forward(const torch::Tensor& pixels, ComputeType compute,
                        std::vector<torch::Tensor>* hidden) override;
  void profile(Profiler& profiler, const std::string& name, std::int64_t batch) const override;
  void initialize() override;
  std::vector<PruneGroup> prune_groups(const std::string& name, double tokens) override;
  std::vector<PruneBlock> prune_blocks(const std::string& name) override;
  std::vector<QuantizableValue> quantizable(const std::string& name) override;
  void recompute_blocks(bool on) override { recompute_ = on; }

  const VisionConfig config;
  torch::nn::Conv2d conv1{nullptr};
  BatchNorm bn1{nullptr};
  std::vector<std::vector<Bottleneck>> stages;  ///< layer1 ... layerN
  Tap stem;                                     ///< before its pooling, (B, C, H, W)

 private:
  bool recompute_ = false;
};

}  // namespace edgeclip
