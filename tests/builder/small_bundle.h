#pragma once

#include <filesystem>
#include <string>

#include "base/safetensors.h"
#include "bundle/bundle.h"
#include "data/text/tokenizer.h"
#include "engine/small_graphs.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

namespace edgeclip::engine::test {

inline constexpr int kSmallHeight = 8, kSmallWidth = 4, kSmallEmbedding = 16, kSmallContext = 12;

/// Writes a whole bundle with linear towers: unit rows of flattened pixels times a matrix, and of the mean of
/// token rows.
inline void write_small_bundle(const std::filesystem::path& directory,
                               const std::string& precision = "fp32") {
  namespace ir = onnx_ir;
  std::filesystem::create_directories(directory);
  const auto tokenizer = train_tokenizer(
      {"a man in a red coat", "a woman with a black bag", "a child in blue shorts", "a person"}, 40);
  tokenizer->save(directory / "tokenizer");
  {
    ir::GraphBuilder g("image");
    const auto pixels =
        g.input(kPixelValues, DType::f32, {-1, 3, kSmallHeight, kSmallWidth}, {"batch", "", "", ""});
    const std::int64_t size = 3 * kSmallHeight * kSmallWidth;
    const auto weights = g.initializer("w", random_floats({size, kSmallEmbedding}, 1, 0.1));
    const auto bias = g.initializer("b", random_floats({kSmallEmbedding}, 2));
    g.output(g.l2_normalize(g.add(g.matmul(g.reshape(pixels, {0, size}), weights), bias)), kImageEmbeds,
             {"batch", ""});
    ir::write_model(directory / "image.onnx", g.model());
  }
  {
    ir::GraphBuilder g("text");
    const auto ids = g.input(kInputIds, DType::i64, {-1, -1}, {"batch", "tokens"});
    const auto table = g.initializer("t", random_floats({tokenizer->vocab_size(), 24}, 3));
    const auto rows = g.gather(table, ids, 0);
    const auto mean = g.reduce("ReduceMean", rows, {1}, false);
    const auto weights = g.initializer("w", random_floats({24, kSmallEmbedding}, 4, 0.2));
    g.output(g.l2_normalize(g.matmul(mean, weights)), kTextEmbeds, {"batch", ""});
    ir::write_model(directory / "text.onnx", g.model());
  }
  write_safetensors(directory / "reference.safetensors", {{"nothing", random_floats({1}, 5)}});
  Bundle bundle;
  bundle.directory = directory;
  bundle.precision = precision;
  bundle.card.image.height = kSmallHeight;
  bundle.card.image.width = kSmallWidth;
  bundle.card.context_length = kSmallContext;
  bundle.card.vocab_size = tokenizer->vocab_size();
  bundle.card.embedding_dim = kSmallEmbedding;
  bundle.provenance = Json::array({{{"command", "test"}}});
  write_bundle_json(directory, bundle);
}

}  // namespace edgeclip::engine::test
