#include "model/towers/resnet.h"

#include "base/error.h"
#include "model/ops/fake_quantize.h"
#include "model/profiler.h"
#include "model/recompute.h"
#include "model/towers/grid.h"

namespace edgeclip {

namespace {

torch::nn::Conv2d conv(int in, int out, int kernel, int stride) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

/// bits above 0: of the filters, which the norm behind scales channel by channel, so that in int8 they are what folding it in gives.
torch::Tensor convolve(const torch::nn::Conv2d& layer, const torch::Tensor& x, ComputeType compute, int bits = 0) {
  const torch::Tensor in = as_operand(x, compute);
  const torch::Tensor filters = bits > 0 ? ops::fake_quantize_channels(layer->weight, bits) : layer->weight;
  return torch::conv2d(in, filters.to(in.scalar_type()), {}, layer->options.stride(),
                       layer->options.kernel_size()->at(0) / 2);
}

}  // namespace

BottleneckImpl::BottleneckImpl(int in, InnerSizes inner, int out, int stride, bool with_shortcut) : stride(stride) {
  conv1 = register_module("conv1", conv(in, inner.first, 1, 1));
  bn1 = register_module("bn1", BatchNorm(inner.first));
  conv2 = register_module("conv2", conv(inner.first, inner.second, 3, stride));
  bn2 = register_module("bn2", BatchNorm(inner.second));
  conv3 = register_module("conv3", conv(inner.second, out, 1, 1));
  bn3 = register_module("bn3", BatchNorm(out));
  if (!with_shortcut) return;
  const auto downsample = group(*this, "downsample");
  shortcut = downsample->register_module("0", conv(in, out, 1, stride));
  shortcut_norm = downsample->register_module("1", BatchNorm(out));
}

torch::Tensor BottleneckImpl::forward(const torch::Tensor& x, ComputeType compute) {
  const auto read = [](const std::shared_ptr<ValueRange>& range, const torch::Tensor& value) {
    return range ? range->read(value) : value;
  };
  const torch::Tensor rounded = read(input_range, x);
  torch::Tensor y = torch::relu(bn1(convolve(conv1, bits1 > 0 ? rounded : x, compute, bits1)));
  first.pass(y);
  y = torch::relu(bn2(convolve(conv2, read(second_range, y), compute, bits2)));
  second.pass(y);
  y = bn3(convolve(conv3, read(third_range, y), compute, bits3));
  written.pass(y);
  if (shortcut.is_empty()) return torch::relu(y + x);
  const torch::Tensor projected = shortcut_norm(convolve(shortcut, shortcut_bits > 0 ? rounded : x, compute, shortcut_bits));
  written.pass(projected);
  return torch::relu(y + projected);
}

ResNet::ResNet(const VisionConfig& config) : config(config) {
  conv1 = register_module("conv1", conv(3, config.embedding_size, 7, 2));
  bn1 = register_module("bn1", BatchNorm(config.embedding_size));
  int in = config.embedding_size;
  std::size_t block = 0;
  for (std::size_t s = 0; s < config.depths.size(); ++s) {
    const auto stage = group(*this, fmt::format("layer{}", s + 1));
    const int out = config.hidden_sizes[s];
    stages.emplace_back();
    for (int i = 0; i < config.depths[s]; ++i, ++block) {
      const int stride = s > 0 && i == 0 ? 2 : 1;
      const bool with_shortcut = stride != 1 || in != out || (block == 0 && config.first_shortcut);
      stages.back().push_back(stage->register_module(
          std::to_string(i), Bottleneck(in, inner_sizes_of(config, s, block), out, stride, with_shortcut)));
      in = out;
    }
  }
}

torch::Tensor ResNet::forward(const torch::Tensor& pixels, ComputeType compute,
                              std::vector<torch::Tensor>* hidden) {
  require_pixels(pixels, config.image_height, config.image_width);
  torch::Tensor x = torch::relu(bn1(convolve(conv1, pixels, compute)));
  stem.pass(x);
  x = torch::max_pool2d(x, /*kernel_size=*/3, /*stride=*/2, /*padding=*/1);
  if (hidden) hidden->push_back(x);
  for (const auto& stage : stages) {
    for (Bottleneck block : stage)
      x = recompute_ && is_training()
              ? recomputed([=](const torch::Tensor& in) mutable { return block(in, compute); }, x,
                           block->parameters())
              : block(x, compute);
    if (hidden) hidden->push_back(x);
  }
  return x.mean(torch::IntArrayRef{2, 3});
}

std::vector<QuantizableValue> ResNet::quantizable(const std::string& name) {
  std::vector<QuantizableValue> values;  // the stem reads the image itself, and stays float32
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t i = 0; i < stages[s].size(); ++i) {
      BottleneckImpl& block = *stages[s][i];
      const std::string at = fmt::format("{}.layer{}.{}.", name, s + 1, i);
      std::vector<QuantizableWeights> readers = {{at + "conv1.weight", &block.bits1}};
      if (!block.shortcut.is_empty()) readers.push_back({at + "downsample.0.weight", &block.shortcut_bits});
      values.push_back({&block.input_range, std::move(readers)});
      values.push_back({&block.second_range, {{at + "conv2.weight", &block.bits2}}});
      values.push_back({&block.third_range, {{at + "conv3.weight", &block.bits3}}});
    }
  return values;
}

void ResNet::initialize() {
  const torch::NoGradGuard no_grad;
  for (auto& item : named_modules()) {
    if (auto* layer = item.value()->as<torch::nn::Conv2dImpl>())
      torch::nn::init::kaiming_normal_(layer->weight, 0.0, torch::kFanOut, torch::kReLU);
    if (auto* norm = item.value()->as<BatchNormImpl>()) {
      norm->weight.fill_(1);
      norm->bias.zero_();
      norm->running_mean.zero_();
      norm->running_var.fill_(1);
    }
  }
}

void ResNet::profile(Profiler& profiler, const std::string& name, std::int64_t batch) const {
  Grid grid = Grid{batch, config.image_height, config.image_width}.after(7, 2);
  profiler.add(name + ".stem", "stem", grid.macs(conv1), {conv1.get(), bn1.get()});
  grid = grid.after(3, 2);  // maximum pooling
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t i = 0; i < stages[s].size(); ++i) {
      const Bottleneck& block = stages[s][i];
      const Grid in = grid;
      grid = in.after(3, block->stride);
      std::int64_t macs = in.macs(block->conv1) + grid.macs(block->conv2) + grid.macs(block->conv3);
      if (!block->shortcut.is_empty()) macs += grid.macs(block->shortcut);
      profiler.add(fmt::format("{}.layer{}.{}", name, s + 1, i), "bottleneck", macs, {block.get()});
    }
}

}  // namespace edgeclip
