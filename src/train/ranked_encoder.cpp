#include "train/ranked_encoder.h"

#include "data/dataset/batch_order.h"
#include "model/tensors.h"

namespace edgeclip {

template <class Encode>
Tensor RankedEncoder::divided(const TensorView& rows, const Encode& encode) {
  if (ranks_.alone()) return encode(rows);
  ranks_.end_if_interrupted();
  const auto [begin, end] = part_of_rank(rows.shape[0], ranks_.rank(), ranks_.world());
  TensorView part = rows;
  part.shape[0] = end - begin;
  if (rows.shape[0] > 0) part.data += static_cast<std::size_t>(begin) * (rows.bytes() / static_cast<std::size_t>(rows.shape[0]));
  return to_tensor(ranks_.gathered(from_tensor(encode(part).view())));
}

Tensor RankedEncoder::encode_images(const TensorView& pixels) {
  return divided(pixels, [&](const TensorView& part) { return encoder_.encode_images(part); });
}

Tensor RankedEncoder::encode_tokens(const TensorView& tokens) {
  return divided(tokens, [&](const TensorView& part) { return encoder_.encode_tokens(part); });
}

}  // namespace edgeclip
