#include "model/profiler.h"

#include <utility>

#include "base/error.h"
#include "base/tensor.h"
#include "model/profile.h"

namespace edgeclip {

namespace {

const char* type_name(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat:
      return dtype_name(DType::f32);
    case torch::kHalf:
      return dtype_name(DType::f16);
    case torch::kBFloat16:
      return dtype_name(DType::bf16);
    case torch::kLong:
      return dtype_name(DType::i64);
    default:
      return torch::toString(type);
  }
}

/// As it is, with an adapter's pairs.
BlockSizes sizes_of(const EncoderLayer& layer) {
  const Attention& attention = layer->self_attn;
  BlockSizes sizes;
  for (const Linear& linear : {attention->q_proj, attention->k_proj, attention->v_proj, attention->out_proj})
    sizes.attention_weights += linear_macs(linear, 1);
  sizes.mlp_weights = linear_macs(layer->mlp->fc1, 1) + linear_macs(layer->mlp->fc2, 1);
  sizes.inner = attention->inner();
  sizes.head_width = attention->head_width;
  return sizes;
}

}  // namespace

void Profiler::add(std::string name, const char* kind, std::int64_t macs,
                   std::initializer_list<const torch::nn::Module*> modules) {
  ModuleProfile& row = profile_.rows.emplace_back();
  row.name = std::move(name);
  row.kind = kind;
  row.macs = macs;
  profile_.total.macs += macs;
  if (profile_.total.macs > kMostMacs) too_many_macs();
  for (const torch::nn::Module* module : modules) {
    for (const torch::Tensor& parameter : module->parameters()) hold(parameter);
    for (const torch::Tensor& buffer : module->buffers()) hold(buffer, /*is_buffer=*/true);
  }
}

void Profiler::hold(const torch::Tensor& tensor, bool is_buffer) {
  const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
  for (ModuleProfile* sum : {&profile_.rows.back(), &profile_.total}) {
    (is_buffer ? sum->buffers : sum->parameters) += tensor.numel();
    if (tensor.requires_grad()) sum->trainable += tensor.numel();
    sum->bytes += bytes;
  }
  profile_.stored[type_name(tensor.scalar_type())] += bytes;
}

std::int64_t linear_macs(const Linear& layer, std::int64_t rows) {
  std::int64_t weights = layer->weight.numel();
  if (const LoraPair* lora = layer->lora()) weights += lora->A.numel() + lora->B.numel();
  return mac_product({rows, weights});
}

void profile_blocks(Profiler& profiler, const std::string& name, const Transformer& blocks,
                    std::int64_t batch, std::int64_t tokens) {
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    const EncoderLayer layer = blocks->layer(i);
    const std::string block = fmt::format("{}.{}.{}.", name, blocks->style.layers, i);
    const BlockSizes sizes = sizes_of(layer);
    profiler.add(block + layer->style.attention, "attention", attention_macs(sizes, batch, tokens, layer->merged),
                 {layer->self_attn.get(), layer->layer_norm1.get()});
    tokens -= layer->merged;
    profiler.add(block + layer->style.mlp, "mlp", mlp_macs(sizes, mac_product({batch, tokens})),
                 {layer->mlp.get(), layer->layer_norm2.get()});
  }
}

}  // namespace edgeclip
