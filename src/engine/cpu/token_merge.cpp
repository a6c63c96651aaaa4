#include "engine/ops/token_merge.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

/// Where what lies between the inputs and the rows is kept, of all images of the batch; bytes from the scratch's start.
struct TokenMergeScratch {
  std::size_t sources = 0;   ///< unit keys of sources (B, Ta, Dh)
  std::size_t targets = 0;   ///< unit keys of targets, of kLanes of them the elements side by side (B, Tb / kLanes, Dh, kLanes)
  std::size_t likeness = 0;  ///< (B, Ta)
  std::size_t nearest = 0;   ///< (B, Ta)
  std::size_t place = 0;     ///< (B, Ta)
  std::size_t first = 0;     ///< (B, T - r): the first token that a row holds
  std::size_t next = 0;      ///< (B, T): the one after it in its row; -1: none
  std::size_t bytes = 0;
};

/// Targets that a source is compared with at once.
constexpr std::int64_t kLanes = 16;

/// Sums are float32, in one order whatever the batch and the threads are; a row that nothing is merged into is copied.
class TokenMergeKernel final : public Kernel {
 public:
  TokenMergeKernel(const TokenMerge& problem, const BindRequest& request)
      : p_(problem), scratch_(request.scratch), executor_(request.executor) {
    const auto take = [&](std::int64_t elements) {
      const std::size_t at = at_.bytes;
      at_.bytes += (static_cast<std::size_t>(p_.batch * elements) * sizeof(float) + 63) / 64 * 64;
      return at;
    };
    at_.sources = take(p_.sources() * p_.size);
    at_.targets = take(blocks() * kLanes * p_.size);
    at_.likeness = take(p_.sources());
    at_.nearest = take(p_.sources());
    at_.place = take(p_.sources());
    at_.first = take(p_.rows());
    at_.next = take(p_.tokens);
    scratch_.reserve(at_.bytes);
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float *x = inputs[0].as<float>(), *keys = inputs[1].as<float>(), *sizes = inputs[2].as<float>();
    float* y = outputs[0].as<float>();
    float* merged_sizes = outputs.size() > 1 && outputs[1].data != nullptr ? outputs[1].as<float>() : nullptr;
    parallel_rows(executor_, p_.batch * p_.tokens, p_.heads * p_.size,
                  [&](std::int64_t i) { unit_key(keys, i / p_.tokens, i % p_.tokens); });
    parallel_rows(executor_, p_.batch * p_.sources(), p_.targets() * p_.size,
                  [&](std::int64_t i) { match(i / p_.sources(), i % p_.sources()); });
    parallel_rows(executor_, p_.batch, p_.sources() * kElementsOfSorting, [&](std::int64_t b) { place(b); });
    parallel_rows(executor_, p_.batch * p_.rows(), p_.width, [&](std::int64_t i) {
      const std::int64_t b = i / p_.rows(), row = i % p_.rows();
      const float size = write(x + b * p_.tokens * p_.width, sizes + b * p_.tokens, b, row, y + i * p_.width);
      if (merged_sizes != nullptr) merged_sizes[i] = size;
    });
  }

  std::string implementation() const override { return "loop:token_merge"; }

 private:
  /// What sorting one source costs, in elements of a simple loop.
  static constexpr std::int64_t kElementsOfSorting = 64;

  std::int64_t blocks() const { return (p_.targets() + kLanes - 1) / kLanes; }
  template <class T>
  T* at(std::size_t offset, std::int64_t elements = 0) const {
    return reinterpret_cast<T*>(scratch_.data() + offset) + elements;
  }
  float* block(std::int64_t b, std::int64_t i) const {
    return at<float>(at_.targets, (b * blocks() + i) * p_.size * kLanes);
  }

  /// Of token t of image b.  Elements of a target lie kLanes apart.
  void unit_key(const float* keys, std::int64_t b, std::int64_t t) const {
    const float* key = keys + (b * p_.tokens + t) * p_.key_step + p_.key_offset;
    const std::int64_t j = t / 2, step = t % 2 == 0 ? 1 : kLanes;
    float* unit = t % 2 == 0 ? at<float>(at_.sources, (b * p_.sources() + j) * p_.size)
                             : block(b, j / kLanes) + j % kLanes;
    float squares = 0;
    for (std::int64_t k = 0; k < p_.size; ++k) {
      float sum = key[k];
      for (std::int64_t h = 1; h < p_.heads; ++h) sum += key[h * p_.size + k];
      sum /= static_cast<float>(p_.heads);
      squares += sum * sum;
      unit[k * step] = sum;
    }
    const float length = std::max(std::sqrt(squares), p_.epsilon);
    for (std::int64_t k = 0; k < p_.size; ++k) unit[k * step] /= length;
  }

  /// Source i's likeness and nearest target.
  void match(std::int64_t b, std::int64_t i) const {
    const float* source = at<float>(at_.sources, (b * p_.sources() + i) * p_.size);
    float most = 0;
    std::int64_t nearest = -1;
    for (std::int64_t n = 0; n < blocks(); ++n) {
      const float* targets = block(b, n);
      float products[kLanes] = {};
      for (std::int64_t k = 0; k < p_.size; ++k) {
        const float element = source[k];
#pragma omp simd
        for (std::int64_t lane = 0; lane < kLanes; ++lane) products[lane] += element * targets[k * kLanes + lane];
      }
      const std::int64_t count = std::min(kLanes, p_.targets() - n * kLanes);  // behind it lies anything
      for (std::int64_t lane = 0; lane < count; ++lane) {
        if (nearest >= 0 && !is_nearer(products[lane], most)) continue;
        most = products[lane];
        nearest = n * kLanes + lane;
      }
    }
    *at<float>(at_.likeness, b * p_.sources() + i) = most;
    *at<std::int32_t>(at_.nearest, b * p_.sources() + i) = static_cast<std::int32_t>(nearest);
  }

  /// The tokens of each row of the result, in their order.
  void place(std::int64_t b) const {
    auto* places = at<std::int32_t>(at_.place, b * p_.sources());
    place_sources(p_, at<float>(at_.likeness, b * p_.sources()), at<std::int32_t>(at_.nearest, b * p_.sources()),
                  places);
    auto *first = at<std::int32_t>(at_.first, b * p_.rows()), *next = at<std::int32_t>(at_.next, b * p_.tokens);
    std::fill_n(first, p_.rows(), -1);
    for (std::int64_t t = p_.tokens; t-- > 0;)
      next[t] = std::exchange(first[t % 2 == 0 ? places[t / 2] : p_.stay() + t / 2], static_cast<std::int32_t>(t));
  }

  /// A row of image b from its x and sizes; returns its size.
  float write(const float* x, const float* sizes, std::int64_t b, std::int64_t row, float* y) const {
    const auto* next = at<std::int32_t>(at_.next, b * p_.tokens);
    const std::int32_t first = *at<std::int32_t>(at_.first, b * p_.rows() + row);
    float size = sizes[first];
    const float* from = x + first * p_.width;
    if (next[first] < 0) {
      std::copy_n(from, p_.width, y);
      return size;
    }
#pragma omp simd
    for (std::int64_t k = 0; k < p_.width; ++k) y[k] = from[k] * size;
    for (std::int32_t t = next[first]; t >= 0; t = next[t]) {
      const float* other = x + t * p_.width;
      const float weight = sizes[t];
#pragma omp simd
      for (std::int64_t k = 0; k < p_.width; ++k) y[k] += other[k] * weight;
      size += weight;
    }
#pragma omp simd
    for (std::int64_t k = 0; k < p_.width; ++k) y[k] /= size;
    return size;
  }

  const TokenMerge p_;
  Scratch& scratch_;
  kernels::Executor& executor_;
  TokenMergeScratch at_;
};

/// float32; what is left is the reference's.
class TokenMergeNode final : public CpuNode {
 public:
  explicit TokenMergeNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    return std::make_unique<TokenMergeKernel>(token_merge_problem(node, request.inputs), request);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_token_merge(const PrepareRequest& request) {
  return std::make_unique<TokenMergeNode>(request);
}

}  // namespace edgeclip::engine
