#include "model/profiler.h"

#include <utility>

#include "base/error.h"
#include "base/tensor.h"
#include "model/profile.h"

namespace edgeclip {

namespace {

/// Above it a number in JSON is no longer exact for readers that have doubles alone.
constexpr std::int64_t kMostMacs = std::int64_t{1} << 53;

[[noreturn]] void too_many_macs() {
  invalid_input("profile: more than 2^53 MACs; give a smaller batch, or a model of smaller images");
}

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

std::int64_t attention_macs(const Attention& attention, std::int64_t batch, std::int64_t tokens) {
  std::int64_t macs =
      mac_product({2, batch, tokens, tokens, attention->inner()});  // QK^T, then weights times V
  for (const Linear& layer : {attention->q_proj, attention->k_proj, attention->v_proj, attention->out_proj})
    macs += linear_macs(layer, mac_product({batch, tokens}));
  return macs;
}

std::int64_t mlp_macs(const Mlp& mlp, std::int64_t rows) {
  return linear_macs(mlp->fc1, rows) + linear_macs(mlp->fc2, rows);
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

std::int64_t mac_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t result = 1;
  for (const std::int64_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result) || result > kMostMacs) too_many_macs();
  return result;
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
    profiler.add(block + layer->style.attention, "attention", attention_macs(layer->self_attn, batch, tokens),
                 {layer->self_attn.get(), layer->layer_norm1.get()});
    profiler.add(block + layer->style.mlp, "mlp", mlp_macs(layer->mlp, mac_product({batch, tokens})),
                 {layer->mlp.get(), layer->layer_norm2.get()});
  }
}

}  // namespace edgeclip
