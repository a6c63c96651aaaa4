#include "model/towers/tower.h"

#include "base/error.h"
#include "base/tensor.h"

namespace edgeclip {

namespace {

std::string sizes_string(const torch::Tensor& t) {
  return shape_string(Shape(t.sizes().begin(), t.sizes().end()));
}

}  // namespace

void require_pixels(const torch::Tensor& pixels, int height, int width) {
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != height || pixels.size(3) != width)
    invalid_input("pixels {}: the image tower takes (batch, 3, {}, {})", sizes_string(pixels), height, width);
}

torch::Tensor require_tokens(const torch::Tensor& tokens, int context, int vocabulary) {
  if (tokens.dim() != 2 || tokens.size(1) < 1 || tokens.size(1) > context)
    invalid_input("tokens {}: the text tower takes (batch, tokens) with 1 to {} tokens", sizes_string(tokens),
                  context);
  torch::Tensor ids = tokens.to(torch::kInt64);
  if (ids.size(0) > 0) {
    const auto low = ids.min().item<std::int64_t>(), high = ids.max().item<std::int64_t>();
    if (low < 0 || high >= vocabulary)
      invalid_input(
          "token id {} is not in the model's vocabulary of {}; tokenize with the checkpoint's own tokenizer",
          low < 0 ? low : high, vocabulary);
  }
  return ids;
}

Sequences caption_rows(const torch::Tensor& last, std::int64_t T, bool all) {
  const std::int64_t B = last.size(0);
  if (all || B == 0) return Sequences::equal(B, T);
  if (!last.device().is_cpu()) return Sequences::equal(B, last.max().item<std::int64_t>() + 1);
  const torch::Tensor lengths = (last + 1).contiguous();
  const auto* const from = lengths.data_ptr<std::int64_t>();
  return Sequences::of_lengths({from, from + B});
}

void separate(std::vector<torch::Tensor>* hidden, std::int64_t batch) {
  if (!hidden) return;
  for (torch::Tensor& rows : *hidden)
    if (rows.dim() == 2) rows = rows.view({batch, batch == 0 ? 0 : rows.size(0) / batch, rows.size(1)});
}

std::shared_ptr<torch::nn::Module> group(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

void initialize_plain(torch::nn::Module& module) {
  for (auto& item : module.named_modules()) {
    if (auto* linear = item.value()->as<LinearImpl>(); linear && linear->bias.defined()) linear->bias.zero_();
    if (auto* norm = item.value()->as<torch::nn::LayerNormImpl>()) {
      norm->weight.fill_(1);
      norm->bias.zero_();
    }
  }
}

}  // namespace edgeclip
