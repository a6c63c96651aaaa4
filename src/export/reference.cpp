#include "export/reference.h"

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "base/signals.h"
#include "bundle/bundle.h"
#include "model/checkpoint.h"
#include "model/config/token_merging.h"
#include "model/eval_mode.h"
#include "model/ops/token_merge.h"

namespace edgeclip {

namespace {

constexpr std::uint64_t kSeed = 17;

Tensor normal_pixels(const VisionConfig& config, std::int64_t batch) {
  Tensor pixels(DType::f32, {batch, 3, config.image_height, config.image_width});
  Rng rng = Rng::stream(kSeed, 1, static_cast<std::uint64_t>(batch));
  for (std::int64_t i = 0; i < pixels.elements(); ++i)
    pixels.data<float>()[i] = static_cast<float>(rng.normal());
  return pixels;
}

/// Where tokens are merged, images of which no decision is so near to another one that rounding takes that: those are what a
/// replay can compare.
Tensor clear_pixels(DualEncoder& model, std::int64_t batch) {
  constexpr int kMostTries = 30;
  constexpr double kClear = 5e-5;
  const VisionConfig& config = model->config.vision;
  if (!merges_tokens(config)) return normal_pixels(config, batch);
  Tensor pixels(DType::f32, {batch, 3, config.image_height, config.image_width});
  const std::int64_t size = pixels.elements() / batch;
  for (std::int64_t image = 0; image < batch; ++image) {
    double clearest = -1;
    for (int attempt = 0; attempt < kMostTries && clearest < kClear; ++attempt) {
      throw_if_interrupted();
      Tensor one(DType::f32, {1, 3, config.image_height, config.image_width});
      Rng rng = Rng::stream(kSeed, 3, static_cast<std::uint64_t>((batch * 100 + image) * 100 + attempt));
      for (std::int64_t i = 0; i < size; ++i) one.data<float>()[i] = static_cast<float>(rng.normal());
      ops::MergeMargins margins;
      model->encode_image(from_tensor(one.view()));
      const double margin = margins.least.item<double>();
      if (margin <= clearest) continue;
      clearest = margin;
      std::copy_n(one.data<float>(), size, pixels.data<float>() + image * size);
    }
  }
  return pixels;
}

/// Rows as a tokenizer makes them: begin, ordinary ids, end, padding.  The first row fills all T tokens.
Tensor token_rows(const TextConfig& config, std::int64_t batch, std::int64_t tokens) {
  std::vector<std::int64_t> ordinary;
  for (int id = 0; id < config.vocab_size; ++id)
    if (id != config.bos_token_id && id != config.eos_token_id && id != config.pad_token_id)
      ordinary.push_back(id);
  if (ordinary.empty()) ordinary.push_back(config.bos_token_id);
  Tensor ids(DType::i64, {batch, tokens});
  Rng rng = Rng::stream(kSeed, 2, static_cast<std::uint64_t>(batch * 100000 + tokens));
  for (std::int64_t row = 0; row < batch; ++row) {
    const std::int64_t length = row == 0 ? tokens : rng.range(2, static_cast<int>(tokens));
    std::int64_t* out = ids.data<std::int64_t>() + row * tokens;
    for (std::int64_t t = 0; t < tokens; ++t)
      out[t] = t == 0            ? config.bos_token_id
               : t == length - 1 ? config.eos_token_id
               : t < length      ? rng.pick(ordinary)
                                 : config.pad_token_id;
  }
  return ids;
}

}  // namespace

NamedTensors reference_tensors(DualEncoder& model) {
  const torch::NoGradGuard no_grad;
  const EvalMode eval(*model);
  NamedTensors tensors;
  for (const std::int64_t batch : {1, 3, 8}) {
    throw_if_interrupted();
    const Tensor pixels = clear_pixels(model, batch);
    const std::string name = fmt::format("image/b{}/", batch);
    tensors.emplace_back(name + kPixelValues, pixels);
    tensors.emplace_back(name + kImageEmbeds, to_tensor(model->encode_image(from_tensor(pixels.view()))));
  }
  const int context = model->config.text.max_position_embeddings;
  std::set<int> counts = {context};
  for (const int tokens : {5, 20})
    if (tokens < context) counts.insert(tokens);
  for (const std::int64_t batch : {1, 3, 8})
    for (const int tokens : counts) {
      throw_if_interrupted();
      const Tensor ids = token_rows(model->config.text, batch, tokens);
      const std::string name = fmt::format("text/b{}_t{}/", batch, tokens);
      tensors.emplace_back(name + kInputIds, ids);
      tensors.emplace_back(name + kTextEmbeds, to_tensor(model->encode_text(from_tensor(ids.view()))));
    }
  return tensors;
}

NamedTensors layer_tensors(DualEncoder& model, const NamedTensors& reference, const std::vector<std::string>& image,
                           const std::vector<std::string>& text) {
  const torch::NoGradGuard no_grad;
  const EvalMode eval(*model);
  NamedTensors tensors;
  const auto add = [&](const std::string& case_name, const char* input, const std::vector<std::string>& names, const auto& forward) {
    const std::string whole = case_name + input;
    const auto at = std::find_if(reference.begin(), reference.end(), [&](const auto& item) { return item.first == whole; });
    EDGECLIP_CHECK(at != reference.end(), "no case {}", case_name);
    std::vector<torch::Tensor> hidden;
    forward(from_tensor(at->second.view()), hidden);
    EDGECLIP_CHECK(hidden.size() == names.size(), "{} layers in LibTorch, {} in the file", hidden.size(), names.size());
    for (std::size_t k = 0; k < names.size(); ++k)
      tensors.emplace_back(fmt::format("{}{:03}/{}", case_name, k, names[k]), to_tensor(hidden[k].to(torch::kFloat)));
  };
  add("image/b1/", kPixelValues, image, [&](const torch::Tensor& pixels, auto& hidden) {
    model->vision_model->forward(pixels, ComputeType::f32, &hidden);
  });
  add(fmt::format("text/b1_t{}/", model->config.text.max_position_embeddings), kInputIds, text,
      [&](const torch::Tensor& ids, auto& hidden) { model->text_model->forward(ids, ComputeType::f32, &hidden); });
  return tensors;
}

}  // namespace edgeclip
