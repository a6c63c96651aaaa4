#include "model/projection.h"

#include <cmath>

#include "model/activation.h"
#include "model/transformer.h"

namespace edgeclip {

MlpProjectionImpl::MlpProjectionImpl(const ProjectionConfig& config, int width, int out) : config(config) {
  projection = register_module("projection", Linear(width, out));
  fc = register_module("fc", Linear(out, out));
  layer_norm = register_module("layer_norm", edgeclip::layer_norm(out, config.layer_norm_eps));
}

torch::Tensor MlpProjectionImpl::forward(const torch::Tensor& x, ComputeType compute) {
  const torch::Tensor y = projection(x, compute);
  torch::Tensor z = fc(activate(config.hidden_act, y), compute);
  if (config.dropout > 0) z = torch::dropout(z, config.dropout, is_training());
  return layer_norm((y + z).to(layer_norm->weight.scalar_type()));
}

Projection::Projection(torch::nn::Module& parent, const std::string& name, const ProjectionConfig& config,
                       int width, int out) {
  if (config.is_linear())
    linear = parent.register_module(name, Linear(width, out, /*with_bias=*/false));
  else
    mlp = parent.register_module(name, MlpProjection(config, width, out));
}

torch::Tensor Projection::operator()(const torch::Tensor& x, ComputeType compute) {
  return mlp.is_empty() ? linear(x, compute) : mlp(x, compute);
}

void Projection::initialize() {
  const torch::NoGradGuard no_grad;
  if (mlp.is_empty()) {
    torch::nn::init::normal_(linear->weight, 0.0, std::pow(linear->weight.size(1), -0.5));
    return;
  }
  for (Linear layer : {mlp->projection, mlp->fc}) {
    torch::nn::init::kaiming_uniform_(layer->weight, std::sqrt(5.0));
    layer->bias.zero_();
  }
  mlp->layer_norm->weight.fill_(1);
  mlp->layer_norm->bias.zero_();
}

std::vector<QuantizableValue> Projection::quantizable(const std::string& name) const {
  if (mlp.is_empty()) return {quantizable_linear(linear, name)};
  return {quantizable_linear(mlp->projection, name + ".projection"), quantizable_linear(mlp->fc, name + ".fc")};
}

}  // namespace edgeclip
