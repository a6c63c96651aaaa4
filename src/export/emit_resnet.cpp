#include "export/emit.h"
#include "model/towers/resnet.h"

namespace edgeclip {

namespace {

/// Conv with the BatchNorm after it folded in: w * s and b - mean * s with s = weight / sqrt(var + eps), in
/// float64, rounded once.
Value emit_conv(GraphBuilder& g, const torch::nn::Conv2d& conv, const BatchNorm& norm, const Value& x,
                const std::string& name) {
  const GraphBuilder::Scope scope(g, name.substr(name.rfind('.') + 1));
  const torch::Tensor scale = norm->weight.detach().to(torch::kDouble) /
                              (norm->running_var.to(torch::kDouble) + BatchNormImpl::kEps).sqrt();
  const torch::Tensor weight = conv->weight.detach().to(torch::kDouble) * scale.view({-1, 1, 1, 1});
  const torch::Tensor bias =
      norm->bias.detach().to(torch::kDouble) - norm->running_mean.to(torch::kDouble) * scale;
  const std::int64_t kernel = conv->weight.size(2), stride = conv->options.stride()->at(0), pad = kernel / 2;
  const auto after = [&](std::int64_t size) { return (size + 2 * pad - kernel) / stride + 1; };
  return g.node("Conv",
                {x, emit_parameter(g, weight.to(torch::kFloat), name + ".weight"),
                 emit_parameter(g, bias.to(torch::kFloat), name + ".bias")},
                DType::f32, {-1, conv->weight.size(0), after(x.shape[2]), after(x.shape[3])},
                {Attr::integers("kernel_shape", {kernel, kernel}),
                 Attr::integers("strides", {stride, stride}), Attr::integers("pads", {pad, pad, pad, pad})});
}

Value relu(GraphBuilder& g, const Value& x) { return g.node("Relu", {x}, DType::f32, x.shape); }

Value emit_bottleneck(GraphBuilder& g, const Bottleneck& block, const Value& x, const std::string& name) {
  Value y = relu(g, emit_conv(g, block->conv1, block->bn1, x, name + ".conv1"));
  y = relu(g, emit_conv(g, block->conv2, block->bn2, y, name + ".conv2"));
  y = emit_conv(g, block->conv3, block->bn3, y, name + ".conv3");
  const Value shortcut = block->shortcut.is_empty()
                             ? x
                             : emit_conv(g, block->shortcut, block->shortcut_norm, x, name + ".downsample.0");
  return relu(g, g.add(y, shortcut));
}

}  // namespace

Value emit_resnet(GraphBuilder& g, const ResNet& tower, const Value& pixels) {
  const GraphBuilder::Scope scope(g, "vision_model");
  Value x = relu(g, emit_conv(g, tower.conv1, tower.bn1, pixels, "vision_model.conv1"));
  const auto halved = [](std::int64_t size) { return (size + 2 - 3) / 2 + 1; };
  x = g.node("MaxPool", {x}, DType::f32, {-1, x.shape[1], halved(x.shape[2]), halved(x.shape[3])},
             {Attr::integers("kernel_shape", {3, 3}), Attr::integers("strides", {2, 2}),
              Attr::integers("pads", {1, 1, 1, 1})});
  g.layer(x);
  for (std::size_t s = 0; s < tower.stages.size(); ++s) {
    for (std::size_t i = 0; i < tower.stages[s].size(); ++i) {
      const std::string local = fmt::format("layer{}.{}", s + 1, i);
      const GraphBuilder::Scope block(g, local);
      x = emit_bottleneck(g, tower.stages[s][i], x, "vision_model." + local);
    }
    g.layer(x);
  }
  return g.reduce("ReduceMean", x, {2, 3}, false);
}

}  // namespace edgeclip
