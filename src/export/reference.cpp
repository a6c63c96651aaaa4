#include "export/reference.h"

#include <set>

#include "base/rng.h"
#include "base/signals.h"
#include "bundle/bundle.h"
#include "model/checkpoint.h"
#include "model/eval_mode.h"

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
    const Tensor pixels = normal_pixels(model->config.vision, batch);
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

}  // namespace edgeclip
