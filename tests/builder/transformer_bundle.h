#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include "base/safetensors.h"
#include "builder/import/onnx_import.h"
#include "bundle/bundle.h"
#include "data/dataset/write_dataset.h"
#include "data/image/image.h"
#include "engine/runtime/session.h"
#include "engine/small_graphs.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

/// A bundle whose towers are small transformers, with reference outputs of the engine's readable kernels, and
/// a prepared dataset to calibrate it with: for tests of quantization and verification.
namespace edgeclip::engine::test {

inline constexpr int kHeight = 16, kWidth = 8, kTokens = 24, kModelWidth = 32, kHeads = 2, kEmbedding = 16;

class TowerWriter {
 public:
  explicit TowerWriter(const std::string& name) : g(name) {}

  onnx_ir::Value weights(const std::string& name, const Shape& shape, double scale) {
    return g.initializer(name, random_floats(shape, seed_++, scale));
  }
  onnx_ir::Value linear(const onnx_ir::Value& x, std::int64_t in, std::int64_t out, const std::string& name) {
    const auto w = weights(name + ".weight", {in, out}, 1 / std::sqrt(static_cast<double>(in)));
    return g.add(g.matmul(x, w), weights(name + ".bias", {out}, 0.1));
  }
  onnx_ir::Value norm(const onnx_ir::Value& x, const std::string& name) {
    Tensor ones(DType::f32, {kModelWidth});
    for (int i = 0; i < kModelWidth; ++i) ones.data<float>()[i] = 1 + 0.1f * static_cast<float>(i % 5);
    return g.layer_norm(x, g.initializer(name + ".weight", ones),
                        weights(name + ".bias", {kModelWidth}, 0.1), 1e-5f);
  }
  /// Pre-norm attention and MLP; gelu: by Erf, otherwise x * sigmoid(1.702 x).
  onnx_ir::Value block(onnx_ir::Value x, bool gelu, const std::string& name) {
    const std::int64_t head = kModelWidth / kHeads;
    const auto h = norm(x, name + ".norm1");
    const auto split = [&](const char* which, const std::vector<std::int64_t>& order) {
      return g.transpose(
          g.reshape(linear(h, kModelWidth, kModelWidth, name + "." + which), {0, -1, kHeads, head}), order);
    };
    const auto q = split("q_proj", {0, 2, 1, 3}), k = split("k_proj", {0, 2, 3, 1}),
               v = split("v_proj", {0, 2, 1, 3});
    const auto scores =
        g.softmax(g.mul(g.matmul(q, k), g.scalar(1 / std::sqrt(static_cast<float>(head)), "scale")), -1);
    const auto mixed = g.reshape(g.transpose(g.matmul(scores, v), {0, 2, 1, 3}), {0, -1, kModelWidth});
    x = g.add(x, linear(mixed, kModelWidth, kModelWidth, name + ".out_proj"));
    const auto inner = linear(norm(x, name + ".norm2"), kModelWidth, 4 * kModelWidth, name + ".fc1");
    onnx_ir::Value active;
    if (gelu) {
      const auto erf = g.node("Erf", {g.div(inner, g.scalar(std::sqrt(2.0f), "sqrt2"))}, DType::f32, inner.shape);
      active = g.mul(g.mul(inner, g.add(erf, g.scalar(1, "one"))), g.scalar(0.5f, "half"));
    } else {
      active = g.mul(inner, g.sigmoid(g.mul(inner, g.scalar(1.702f, "alpha"))));
    }
    return g.add(x, linear(active, 4 * kModelWidth, kModelWidth, name + ".fc2"));
  }
  /// The first token's row, projected to a unit row.
  onnx_ir::Value pooled(const onnx_ir::Value& x, const std::string& name) {
    const auto first = g.gather(x, g.constant({0}, "first"), 1);
    const auto row = g.reshape(first, {0, kModelWidth});
    return g.l2_normalize(g.matmul(row, weights(name, {kModelWidth, kEmbedding}, 0.2)));
  }

  onnx_ir::GraphBuilder g;

 private:
  std::uint64_t seed_ = 1;
};

inline void write_transformer_models(const std::filesystem::path& directory, int vocabulary) {
  {
    TowerWriter t("image");
    const auto pixels = t.g.input(kPixelValues, DType::f32, {-1, 3, kHeight, kWidth}, {"batch", "", "", ""});
    const auto grid = t.g.node(
        "Conv", {pixels, t.weights("patches.weight", {kModelWidth, 3, 4, 4}, 0.15)}, DType::f32,
        {-1, kModelWidth, kHeight / 4, kWidth / 4},
        {onnx_ir::Attr::integers("kernel_shape", {4, 4}), onnx_ir::Attr::integers("strides", {4, 4})});
    auto x = t.g.transpose(t.g.reshape(grid, {0, kModelWidth, -1}), {0, 2, 1});
    x = t.block(t.block(x, false, "layers.0"), false, "layers.1");
    t.g.output(t.pooled(x, "visual_projection.weight"), kImageEmbeds, {"batch", ""});
    onnx_ir::write_model(directory / "image.onnx", t.g.model());
  }
  TowerWriter t("text");
  const auto ids = t.g.input(kInputIds, DType::i64, {-1, -1}, {"batch", "tokens"});
  auto x = t.g.gather(t.weights("token_embedding", {vocabulary, kModelWidth}, 1), ids, 0);
  x = t.block(x, true, "layers.0");
  t.g.output(t.pooled(x, "text_projection.weight"), kTextEmbeds, {"batch", ""});
  onnx_ir::write_model(directory / "text.onnx", t.g.model());
}

/// Outputs of the readable kernels on the graphs as they were written.
inline NamedTensors reference_cases(const std::filesystem::path& directory, int vocabulary) {
  NamedTensors out;
  SessionOptions options;
  options.reference = true;
  const auto replay = [&](const char* file, const std::string& name, const char* input, const Tensor& given,
                          const char* output) {
    const Session session(builder::import_onnx(directory / file), options);
    Context context(session);
    out.emplace_back(name + "/" + input, given);
    out.emplace_back(name + "/" + output, context.run({given.view()}).at(0));
  };
  for (const std::int64_t batch : {1, 3, 8})
    replay("image.onnx", fmt::format("image/b{}", batch), kPixelValues,
           random_floats({batch, 3, kHeight, kWidth}, static_cast<std::uint64_t>(batch)), kImageEmbeds);
  for (const auto& [batch, tokens] : {std::pair<std::int64_t, std::int64_t>{1, 5}, {3, 20}, {8, kTokens}}) {
    Tensor ids(DType::i64, {batch, tokens});
    for (std::int64_t i = 0; i < ids.elements(); ++i)
      ids.data<std::int64_t>()[i] = (i * 7 + batch) % vocabulary;
    replay("text.onnx", fmt::format("text/b{}_t{}", batch, tokens), kInputIds, ids, kTextEmbeds);
  }
  return out;
}

/// DIR/dataset (32 pictures, train and test) and DIR/bundle (fp32).
inline void write_transformer_bundle(const std::filesystem::path& directory,
                                     const std::function<void(NamedTensors&)>& change_reference = {}) {
  namespace fs = std::filesystem;
  fs::create_directories(directory / "dataset" / "images");
  fs::create_directories(directory / "bundle");
  const char* colours[] = {"red", "green", "blue", "black"};
  const char* clothes[] = {"coat", "shirt", "dress", "jacket"};
  std::vector<Pair> pairs;
  for (int i = 0; i < 32; ++i) {
    Image image(10, 20);
    Rng rng(static_cast<std::uint64_t>(i));
    for (auto& byte : image.rgb) byte = static_cast<std::uint8_t>(rng.range(0, 255));
    const std::string path = fmt::format("images/{}.png", i);
    write_png(directory / "dataset" / path, image);
    pairs.push_back({i % 4 == 3 ? "test" : "train", i, path,
                     fmt::format("a person in a {} {} walks past", colours[i % 4], clothes[i / 4 % 4]), -1});
  }
  write_dataset(directory / "dataset", {.pairs = pairs, .tokenizer = "train:40", .context_length = kTokens});

  Bundle bundle;
  bundle.directory = directory / "bundle";
  const auto tokenizer = open_dataset(directory / "dataset").tokenizer;
  tokenizer->save(bundle.tokenizer());
  bundle.card.image.height = kHeight;
  bundle.card.image.width = kWidth;
  bundle.card.context_length = kTokens;
  bundle.card.vocab_size = tokenizer->vocab_size();
  bundle.card.embedding_dim = kEmbedding;
  bundle.provenance = Json::array({{{"command", "export"}}});
  write_transformer_models(bundle.directory, tokenizer->vocab_size());
  NamedTensors reference = reference_cases(bundle.directory, tokenizer->vocab_size());
  if (change_reference) change_reference(reference);
  write_safetensors(bundle.reference(), reference);
  write_bundle_json(bundle.directory, bundle);
}

}  // namespace edgeclip::engine::test
