#include "retrieval/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "data/dataset/loader.h"
#include "data/image/transform.h"
#include "retrieval/encode_stream.h"

namespace edgeclip {
namespace {

std::int64_t piece_size(const Encoder& encoder, int batch) {
  return std::max(1, std::min(batch, encoder.max_batch()));
}

}  // namespace

void check_embeddings(const Tensor& embeddings, std::int64_t rows, const Encoder& encoder) {
  EDGECLIP_CHECK(embeddings.shape() == Shape({rows, encoder.card().embedding_dim}),
                 "embeddings {} for {} rows of width {}", shape_string(embeddings.shape()), rows,
                 encoder.card().embedding_dim);
  const float* values = embeddings.data<float>();
  for (std::int64_t i = 0; i < embeddings.elements(); ++i)
    if (!std::isfinite(values[i]))
      invalid_input(
          "model {} ({}) gives values that are not finite; its weights are damaged, export it again",
          encoder.card().name, encoder.model_hash());
}

Tensor encode_texts(Encoder& encoder, const std::vector<std::string>& texts, int batch) {
  std::map<std::string, std::int64_t> index_of;
  std::vector<std::string> distinct;
  std::vector<std::int64_t> rows;
  for (const std::string& text : texts) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
      invalid_input("text {}: is blank; write what to look for", rows.size() + 1);
    require_utf8(text, fmt::format("text {}", rows.size() + 1));
    const auto [it, inserted] = index_of.emplace(text, static_cast<std::int64_t>(distinct.size()));
    if (inserted) distinct.push_back(text);
    rows.push_back(it->second);
  }
  const std::int64_t dim = encoder.card().embedding_dim, step = piece_size(encoder, batch);
  const auto count = static_cast<std::int64_t>(distinct.size());
  const auto tokenizer = encoder.tokenizer();
  EDGECLIP_CHECK(tokenizer != nullptr, "an encoder without a tokenizer");
  Tensor unique(DType::f32, {count, dim});
  for (std::int64_t begin = 0; begin < count; begin += step) {
    throw_if_interrupted();
    const std::int64_t end = std::min(begin + step, count);
    const Tensor tokens = tokenizer->encode_batch({distinct.begin() + begin, distinct.begin() + end},
                                                  encoder.card().context_length);
    const Tensor part = encoder.encode_tokens(tokens.view());
    check_embeddings(part, end - begin, encoder);
    std::memcpy(unique.data<float>() + begin * dim, part.data<float>(), part.bytes());
  }
  Tensor all(DType::f32, {static_cast<std::int64_t>(texts.size()), dim});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(unique.data<float>() + rows[i] * dim, dim,
                all.data<float>() + static_cast<std::int64_t>(i) * dim);
  return all;
}

Tensor encode_image_files(Encoder& encoder, const std::vector<std::filesystem::path>& paths, int batch,
                          const std::function<void(std::int64_t)>& done) {
  const std::int64_t dim = encoder.card().embedding_dim;
  const ImageTransform& transform = encoder.card().image;
  transform.validate("image transform: ");
  const auto count = static_cast<std::int64_t>(paths.size());
  Tensor all(DType::f32, {count, dim});
  if (encoder.executor() == nullptr) {  // in order: processes that divide each batch have to see the same ones
    const std::int64_t step = piece_size(encoder, batch);
    for (std::int64_t begin = 0; begin < count; begin += step) {
      throw_if_interrupted();
      const std::int64_t end = std::min(begin + step, count);
      const Tensor pixels = load_pixels({paths.begin() + begin, paths.begin() + end}, transform);
      const Tensor part = encoder.encode_images(pixels.view());
      check_embeddings(part, end - begin, encoder);
      std::memcpy(all.data<float>() + begin * dim, part.data<float>(), part.bytes());
      if (done) done(end - begin);
    }
    return all;
  }
  EncodeStreamOptions options;
  options.threads = thread_count();
  options.batch = static_cast<int>(piece_size(encoder, batch));
  EncodeStream stream(encoder, options);
  std::size_t taken = 0;
  stream.run(
      [&]() -> DecodePipeline::Decode {
        if (taken == paths.size()) return {};
        const std::size_t i = taken++;
        return [&, i](DecodedImage& decoded) {
          decoded = {static_cast<std::int64_t>(i), load_image(paths[i], transform)};
          return true;
        };
      },
      [&](std::vector<DecodedImage>& encoded, const float* rows) {
        for (std::size_t b = 0; b < encoded.size(); ++b)
          std::copy_n(rows + static_cast<std::int64_t>(b) * dim, dim, all.data<float>() + encoded[b].index * dim);
        if (done) done(static_cast<std::int64_t>(encoded.size()));
      });
  if (stream.error()) std::rethrow_exception(stream.error());
  throw_if_interrupted();
  return all;
}

}  // namespace edgeclip
