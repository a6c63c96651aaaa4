#pragma once

#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/signals.h"
#include "data/image/image.h"
#include "retrieval/encoder.h"

namespace edgeclip::test {

/// Words to ids; knows the names of a few colours.
class FakeTokenizer : public Tokenizer {
 public:
  static constexpr int kRed = 10, kGreen = 11, kBlue = 12, kGrey = 13;
  std::vector<std::int32_t> encode(std::string_view text) const override {
    static const std::map<std::string, std::int32_t> known = {
        {"red", kRed}, {"green", kGreen}, {"blue", kBlue}, {"grey", kGrey}};
    std::vector<std::int32_t> ids;
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) ids.push_back(known.count(word) ? known.at(word) : 4);
    return ids;
  }
  std::string decode(const std::vector<std::int32_t>&) const override { return {}; }
  std::string piece(std::int32_t) const override { return {}; }
  int vocab_size() const override { return 20; }
  std::int32_t begin_id() const override { return 2; }
  std::int32_t end_id() const override { return 3; }
  std::int32_t pad_id() const override { return 0; }
  void save(const std::filesystem::path&) const override {}
};

/// An image's embedding is the unit vector of the mean colours of its upper and lower half (D = 6); a text's
/// the same of a picture in the colours it names: "red blue" is red above blue.  Deterministic and
/// thread-safe.
class FakeEncoder : public Encoder {
 public:
  FakeEncoder() {
    card_.name = "fake";
    card_.image.height = 8;
    card_.image.width = 4;
    card_.image.mean = {0, 0, 0};
    card_.image.std = {1, 1, 1};
    card_.context_length = 8;
    card_.vocab_size = 20;
    card_.embedding_dim = 6;
  }

  const ModelCard& card() const override { return card_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  std::string model_hash() const override { return hash; }
  std::string precision() const override { return precision_; }
  int max_batch() const override { return largest_batch; }
  kernels::Executor* executor() const override { return executor_; }

  Tensor encode_images(const TensorView& pixels) override {
    EDGECLIP_CHECK(pixels.shape.size() == 4 && pixels.shape[1] == 3 && pixels.shape[2] == 8 &&
                   pixels.shape[3] == 4);
    EDGECLIP_CHECK(pixels.shape[0] <= largest_batch);
    const int call = ++image_calls;
    if (call == fail_at_call) throw InternalError("the encoder broke");
    if (call == no_memory_at_call) throw std::bad_alloc();
    if (call == interrupt_at_call) set_interrupted(true);
    {
      std::lock_guard lock(mutex_);
      batches.push_back(pixels.shape[0]);
    }
    Tensor out(DType::f32, {pixels.shape[0], 6});
    for (std::int64_t b = 0; b < pixels.shape[0]; ++b)
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < 8; ++y)
          for (std::int64_t x = 0; x < 4; ++x)
            out.data<float>()[b * 6 + c * 2 + y / 4] += pixels.as<float>()[((b * 3 + c) * 8 + y) * 4 + x];
    normalize(out);
    if (gives_nan) out.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    return out;
  }

  Tensor encode_tokens(const TensorView& tokens) override {
    EDGECLIP_CHECK(tokens.shape.size() == 2 && tokens.shape[1] <= card_.context_length &&
                   tokens.shape[0] <= largest_batch);
    texts_encoded += static_cast<int>(tokens.shape[0]);
    Tensor out(DType::f32, {tokens.shape[0], 6});
    for (std::int64_t b = 0; b < tokens.shape[0]; ++b) {
      std::vector<int> colours;
      for (std::int64_t t = 0; t < tokens.shape[1]; ++t) {
        const int id = tokens.as<std::int32_t>()[b * tokens.shape[1] + t];
        if (id >= FakeTokenizer::kRed) colours.push_back(id);
      }
      if (colours.empty()) colours.push_back(FakeTokenizer::kGrey);
      for (int half = 0; half < 2; ++half) {
        const int id = half == 0 ? colours.front() : colours.back();
        for (int c = 0; c < 3; ++c)
          out.data<float>()[b * 6 + c * 2 + half] =
              id == FakeTokenizer::kGrey || id == FakeTokenizer::kRed + c ? 1.0f : 0.0f;
      }
    }
    normalize(out);
    return out;
  }

  ModelCard card_;
  std::string precision_;
  std::string hash = "00112233445566778899aabbccddeeff";
  int largest_batch = 64;
  kernels::Executor* executor_ = nullptr;
  std::atomic<int> image_calls{0}, texts_encoded{0};
  int fail_at_call = -1, no_memory_at_call = -1, interrupt_at_call = -1;
  bool gives_nan = false;
  std::vector<std::int64_t> batches;  ///< sizes of the image batches

 private:
  static void normalize(Tensor& rows) {
    for (std::int64_t r = 0; r < rows.dim(0); ++r) {
      float* v = rows.data<float>() + r * 6;
      float sum = 0;
      for (int k = 0; k < 6; ++k) sum += v[k] * v[k];
      for (int k = 0; k < 6; ++k) v[k] = sum > 0 ? v[k] / std::sqrt(sum) : (k == 0 ? 1.0f : 0.0f);
    }
  }

  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<FakeTokenizer>();
  std::mutex mutex_;
};

/// A picture of one colour above another.
inline Image two_colours(int r, int g, int b, int r2, int g2, int b2, int width = 10, int height = 20) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int rgb[2][3] = {{r, g, b}, {r2, g2, b2}};
      for (int c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<std::uint8_t>(rgb[y * 2 >= height][c]);
    }
  return image;
}

/// `count` PNGs of different colours, "00.png", "01.png", ...
inline std::vector<std::filesystem::path> write_images(const std::filesystem::path& folder, int count) {
  std::filesystem::create_directories(folder);
  std::vector<std::filesystem::path> paths;
  for (int i = 0; i < count; ++i) {
    paths.push_back(folder / fmt::format("{:02}.png", i));
    write_png(paths.back(), two_colours(20 + 200 * i / count, 130, 220 - 200 * i / count, (i * 37) % 256,
                                        (i * 91) % 256, 40));
  }
  return paths;
}

}  // namespace edgeclip::test
