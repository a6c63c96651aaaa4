#include <cstring>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

class GatherKernel final : public Kernel {
 public:
  GatherKernel(kernels::Executor& executor, const Node& node, std::int64_t outer, std::int64_t limit,
               std::int64_t count, std::size_t inner)
      : executor_(executor),
        node_(node),
        outer_(outer),
        limit_(limit),
        count_(count),
        inner_(inner),
        places_(static_cast<std::size_t>(count)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const Indices indices(inputs[1]);
    for (std::int64_t i = 0; i < count_; ++i)  // all are checked before anything is copied
      places_[static_cast<std::size_t>(i)] = indices.at(node_, i, limit_);
    const std::byte* x = inputs[0].data;
    std::byte* y = outputs[0].data;
    const std::int64_t blocks = outer_ * count_;
    parallel_rows(executor_, blocks, static_cast<std::int64_t>(inner_ + 3) / 4, [&](std::int64_t b) {
      const std::int64_t from = b / count_ * limit_ + places_[static_cast<std::size_t>(b % count_)];
      std::memcpy(y + static_cast<std::size_t>(b) * inner_, x + static_cast<std::size_t>(from) * inner_, inner_);
    });
  }

  std::string implementation() const override { return "loop:gather"; }

 private:
  kernels::Executor& executor_;
  const Node& node_;
  const std::int64_t outer_, limit_, count_;
  const std::size_t inner_;
  std::vector<std::int64_t> places_;
};

class GatherNode final : public CpuNode {
 public:
  explicit GatherNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& data = request.inputs[0].shape;
    const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
    return std::make_unique<GatherKernel>(
        request.executor, node, product(data, 0, axis), data[axis], request.inputs[1].elements(),
        static_cast<std::size_t>(product(data, axis + 1, data.size())) * dtype_size(request.inputs[0].dtype));
  }
};

/// edgeclip.QuantGather: rows of an int8 table, each with its own scale.
class QuantGatherKernel final : public Kernel {
 public:
  QuantGatherKernel(kernels::Executor& executor, const Node& node, std::int64_t rows, std::int64_t width,
                    std::int64_t count)
      : executor_(executor),
        node_(node),
        rows_(rows),
        width_(width),
        count_(count),
        places_(static_cast<std::size_t>(count)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const Indices indices(inputs[2]);
    for (std::int64_t i = 0; i < count_; ++i)
      places_[static_cast<std::size_t>(i)] = indices.at(node_, i, rows_);
    const auto* table = inputs[0].as<std::int8_t>();
    const float* scales = inputs[1].as<float>();
    float* y = outputs[0].as<float>();
    parallel_rows(executor_, count_, width_, [&](std::int64_t i) {
      const std::int64_t place = places_[static_cast<std::size_t>(i)];
      const std::int8_t* from = table + place * width_;
      float* to = y + i * width_;
      for (std::int64_t k = 0; k < width_; ++k) to[k] = scales[place] * static_cast<float>(from[k]);
    });
  }

  std::string implementation() const override { return "loop:quant_gather"; }

 private:
  kernels::Executor& executor_;
  const Node& node_;
  const std::int64_t rows_, width_, count_;
  std::vector<std::int64_t> places_;
};

class QuantGatherNode final : public CpuNode {
 public:
  explicit QuantGatherNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& table = request.inputs[0].shape;
    return std::make_unique<QuantGatherKernel>(request.executor, node, table[0], table[1],
                                               request.inputs[2].elements());
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_gather(const PrepareRequest& request) {
  return std::make_unique<GatherNode>(request);
}
std::unique_ptr<PreparedNode> prepare_quant_gather(const PrepareRequest& request) {
  return std::make_unique<QuantGatherNode>(request);
}

}  // namespace edgeclip::engine
