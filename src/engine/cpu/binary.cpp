#include <utility>

#include "engine/cpu/families.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

class BinaryKernel : public Kernel {
 public:
  /// left: which input has the output's shape.
  BinaryKernel(OneDnnCall call, const dnnl::binary::primitive_desc& pd, std::size_t left)
      : call_(std::move(call)), left_(left) {
    source0_ = call_.bind(DNNL_ARG_SRC_0, pd.src0_desc());
    source1_ = call_.bind(DNNL_ARG_SRC_1, pd.src1_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source0_, inputs[left_].data);
    call_.set(source1_, inputs[1 - left_].data);
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  const std::size_t left_;
  std::size_t source0_ = 0, source1_ = 0, destination_ = 0;
};

/// Joins neighbouring dimensions that are both broadcast or both not: few dimensions reach the fast
/// implementations.
void collapse(const Shape& full, const Shape& broadcast, Dims* full_dims, Dims* broadcast_dims) {
  int last = -1;  // 0: the last dimension is not broadcast, 1: it is
  for (std::size_t i = 0; i < full.size(); ++i) {
    const std::size_t missing = full.size() - broadcast.size();
    const std::int64_t other = i < missing ? 1 : broadcast[i - missing];
    if (full[i] == 1) continue;
    const int kind = other == 1 ? 1 : 0;
    if (kind == last) {
      full_dims->back() *= full[i];
      broadcast_dims->back() *= other;
    } else {
      full_dims->push_back(full[i]);
      broadcast_dims->push_back(other);
    }
    last = kind;
  }
  if (full_dims->empty()) *full_dims = *broadcast_dims = {1};
}

}  // namespace

std::unique_ptr<Kernel> make_onednn_binary(const KernelRequest& request) {
  const Node& node = request.node;
  dnnl::algorithm algorithm;
  bool commutes = true;
  if (node.is("Add")) {
    algorithm = dnnl::algorithm::binary_add;
  } else if (node.is("Mul")) {
    algorithm = dnnl::algorithm::binary_mul;
  } else if (node.is("Sub")) {
    algorithm = dnnl::algorithm::binary_sub;
    commutes = false;
  } else if (node.is("Div")) {
    algorithm = dnnl::algorithm::binary_div;
    commutes = false;
  } else {
    return nullptr;
  }
  if (request.inputs[0].dtype != DType::f32 || request.inputs[1].dtype != DType::f32) return nullptr;
  const std::int64_t elements = request.outputs[0].elements();
  std::size_t left = 0;
  if (request.inputs[0].elements() != elements) left = 1;
  if (request.inputs[left].elements() != elements || (left == 1 && !commutes)) return nullptr;

  Dims full, broadcast;
  const Shape& other = request.inputs[1 - left].shape;
  if (other.size() > request.outputs[0].shape.size()) return nullptr;
  collapse(request.outputs[0].shape, other, &full, &broadcast);
  if (full.size() > 5) return nullptr;
  constexpr auto type = dnnl::memory::data_type::f32;
  const dnnl::memory::desc all = dense_desc(full, type);
  const dnnl::binary::desc desc(algorithm, all, dense_desc(broadcast, type), all);
  const dnnl::binary::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
  return std::make_unique<BinaryKernel>(OneDnnCall(dnnl::binary(pd), pd, request), pd, left);
}

}  // namespace edgeclip::engine
