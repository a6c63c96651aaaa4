#include "train/checkpoint_encoder.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/eval_mode.h"

namespace edgeclip {

namespace {

TensorView rows_of(const TensorView& view, std::int64_t begin, std::int64_t end) {
  TensorView part = view;
  const std::size_t row = view.bytes() / static_cast<std::size_t>(view.shape[0]);
  part.shape[0] = end - begin;
  part.data += row * static_cast<std::size_t>(begin);
  return part;
}

}  // namespace

CheckpointEncoder::CheckpointEncoder(Checkpoint checkpoint, int max_batch)
    : checkpoint_(std::move(checkpoint)), max_batch_(max_batch) {
  EDGECLIP_CHECK(max_batch_ >= 1 && !checkpoint_.model.is_empty());
}

template <class Encode>
Tensor CheckpointEncoder::run(std::int64_t rows, const Encode& encode) {
  const std::lock_guard lock(mutex_);
  const torch::NoGradGuard no_grad;
  const EvalMode eval(*checkpoint_.model);
  const std::int64_t width = checkpoint_.config.projection_dim;
  Tensor out(DType::f32, {rows, width});
  for (std::int64_t begin = 0; begin < rows; begin += max_batch_) {
    const std::int64_t end = std::min<std::int64_t>(rows, begin + max_batch_);
    const torch::Tensor part = encode(begin, end).to(torch::kCPU, torch::kFloat32).contiguous();
    EDGECLIP_CHECK(part.size(0) == end - begin && part.size(1) == width);
    std::memcpy(out.data<float>() + begin * width, part.template data_ptr<float>(),
                static_cast<std::size_t>(part.numel()) * sizeof(float));
  }
  return out;
}

Tensor CheckpointEncoder::encode_images(const TensorView& pixels) {
  const ImageTransform& image = checkpoint_.card.image;
  if (pixels.dtype != DType::f32 || pixels.shape.size() != 4 || pixels.shape[1] != 3 ||
      pixels.shape[2] != image.height || pixels.shape[3] != image.width)
    invalid_input("pixels are {} {}, the model takes float32 (B, 3, {}, {})", dtype_name(pixels.dtype),
                  shape_string(pixels.shape), image.height, image.width);
  return run(pixels.shape[0], [&](std::int64_t begin, std::int64_t end) {
    return checkpoint_.model->encode_image(from_tensor(rows_of(pixels, begin, end)).to(device()));
  });
}

Tensor CheckpointEncoder::encode_tokens(const TensorView& tokens) {
  const int context = checkpoint_.config.text.max_position_embeddings,
            vocab = checkpoint_.config.text.vocab_size;
  if (tokens.dtype != DType::i32 || tokens.shape.size() != 2 || tokens.shape[1] < 1 ||
      tokens.shape[1] > context)
    invalid_input("tokens are {} {}, the model takes int32 (B, T) with T from 1 to {}",
                  dtype_name(tokens.dtype), shape_string(tokens.shape), context);
  const std::int32_t* ids = tokens.as<std::int32_t>();
  for (std::int64_t i = 0; i < tokens.elements(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab)
      invalid_input(
          "token id {} in row {} is outside the model's vocabulary of {}; use the model's own tokenizer",
          ids[i], i / tokens.shape[1], vocab);
  return run(tokens.shape[0], [&](std::int64_t begin, std::int64_t end) {
    return checkpoint_.model->encode_text(from_tensor(rows_of(tokens, begin, end)).to(device(), torch::kInt64));
  });
}

std::string CheckpointEncoder::model_hash() const {
  const std::lock_guard lock(mutex_);
  return weights_hash(checkpoint_.model);
}

}  // namespace edgeclip
