#include <algorithm>
#include <new>
#include <utility>

#include "base/out_of_memory.h"
#include "engine/cpu/cpu_node.h"
#include "engine/graph/symbolic_rules.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// More than making a kernel takes, beside its packed weights.
constexpr std::size_t kMostOfKernel = std::size_t{8} << 20;

dnnl::memory::dims own_strides(const dnnl::memory::desc& desc) {
  const auto* strides = desc.data.format_desc.blocking.strides;
  return {strides, strides + desc.data.ndims};
}

/// A copy of the value in another layout.
std::unique_ptr<Kernel> make_reorder(const TensorView& value, Layout from, Layout to, Scratch& scratch,
                                     kernels::Executor& executor) {
  const SingleThreaded single;
  const auto type = moved_as(value.dtype);
  EDGECLIP_CHECK(type, "{} lies in one layout only", dtype_name(value.dtype));
  const auto source = layout_desc(value.shape, from, *type), destination = layout_desc(value.shape, to, *type);
  return make_strided_copy(executor, scratch, value.shape, own_strides(source), own_strides(destination),
                           *type);
}

/// The reference kernel, which knows one layout only, between copies of what lies otherwise.
class PlainKernel final : public Kernel {
 public:
  PlainKernel(const Node& node, const BindRequest& request) : kernel_(make_reference_kernel(node)) {
    const auto wrap = [&](const TensorView& view, Layout layout, bool in) {
      Copy copy;
      if (normalized(layout, view.shape) != Layout::plain) {
        copy.plain = Tensor(view.dtype, view.shape);
        copy.reorder = in ? make_reorder(view, layout, Layout::plain, request.scratch, request.executor)
                          : make_reorder(view, Layout::plain, layout, request.scratch, request.executor);
      }
      return copy;
    };
    for (std::size_t i = 0; i < request.inputs.size(); ++i)
      in_.push_back(wrap(request.inputs[i], request.layouts.inputs[i], true));
    for (std::size_t i = 0; i < request.outputs.size(); ++i)
      out_.push_back(wrap(request.outputs[i].view(), request.layouts.outputs[i], false));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    Inputs plain_in = inputs;
    Outputs plain_out = outputs;
    for (std::size_t i = 0; i < in_.size(); ++i) {
      if (!in_[i].reorder) continue;
      in_[i].reorder->run({inputs[i]}, {{inputs[i].dtype, inputs[i].shape, in_[i].plain.raw()}});
      plain_in[i].data = in_[i].plain.raw();
    }
    for (std::size_t i = 0; i < out_.size(); ++i)
      if (out_[i].reorder) plain_out[i].data = out_[i].plain.raw();
    kernel_->run(plain_in, plain_out);
    for (std::size_t i = 0; i < out_.size(); ++i)
      if (out_[i].reorder) out_[i].reorder->run({out_[i].plain.view()}, {outputs[i]});
  }

  std::string implementation() const override { return kernel_->implementation(); }

 private:
  struct Copy {
    Tensor plain;
    std::unique_ptr<Kernel> reorder;
  };

  std::unique_ptr<Kernel> kernel_;
  std::vector<Copy> in_, out_;
};

/// oneDNN has no notion of "nothing to do" for every primitive; the reference loops have.
bool has_empty_tensor(const Node& node, const BindRequest& request, std::size_t data_inputs) {
  for (const auto& output : request.outputs)
    if (output.elements() == 0) return true;
  for (std::size_t i = 0; i < std::min(data_inputs, request.inputs.size()); ++i)
    if (node.inputs[i] != kNoValue && request.inputs[i].elements() == 0) return true;
  return false;
}

/// A node that no family takes.
class SlowNode final : public PreparedNode {
 public:
  using PreparedNode::PreparedNode;
  std::unique_ptr<Kernel> bind(const BindRequest&) const override { return make_reference_kernel(node); }
};

std::unique_ptr<PackedCache> cache_of(const PackedKeeping& keeping) {
  return keeping.source ? std::make_unique<PackedCache>(keeping.source, keeping.log) : nullptr;
}

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const PackedKeeping& keeping) : state_{{}, GemmWeights(cache_of(keeping))} {}

  std::unique_ptr<PreparedNode> prepare(const Node& node, const Inputs& constants) override {
    for (const Family& family : families())
      if (node.is(family.op, family.domain))
        if (auto prepared = family.prepare({node, constants, state_})) return prepared;
    for (const TensorView& constant : constants) state_.gemm_weights.verify(constant);
    return std::make_unique<SlowNode>(node);
  }

  std::unique_ptr<Kernel> bind_reorder(const TensorView& value, Layout from, Layout to, Scratch& scratch,
                                       kernels::Executor& executor) override {
    return make_reorder(value, from, to, scratch, executor);
  }

  bool verifies_itself(const Node& node, std::size_t i, const TensorView& constant) const override {
    // Small ones are read wherever shapes are inferred.
    if (constant.elements() <= kSmallValue || !state_.gemm_weights.may_be_mapped(constant)) return false;
    return std::any_of(families().begin(), families().end(), [&](const Family& family) {
      return node.is(family.op, family.domain) && family.packed_input == static_cast<int>(i);
    });
  }

  void keep_packed() override { state_.gemm_weights.keep(); }
  std::uint64_t packed_generation() const override { return state_.gemm_weights.generation(); }

  std::int64_t packed_bytes() const override { return static_cast<std::int64_t>(state_.weights.bytes() + state_.gemm_weights.bytes()); }

 private:
  CpuState state_;
};

}  // namespace

std::unique_ptr<Kernel> CpuNode::bind(const BindRequest& request) const {
  // oneDNN does not survive an allocation that fails while it writes a kernel's code
  // (base/out_of_memory.h).
  if (!can_have_memory(kMostOfKernel)) throw std::bad_alloc();
  if (!has_empty_tensor(node, request, data_inputs())) {
    const SingleThreaded single;
    try {
      if (auto kernel = bind_fast(request)) return kernel;
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
      // A combination this oneDNN lacks on this CPU is what the reference is there for; anything else is our
      // mistake.
      EDGECLIP_CHECK(error.status == dnnl_unimplemented, "{}: oneDNN: {}", node_label(node), error.what());
    }
  }
  for (const TensorView& input : request.inputs) state_.gemm_weights.verify(input);
  return std::make_unique<PlainKernel>(node, request);
}

Layouts as_first_input(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>& given) {
  Layouts layouts{std::vector<Layout>(inputs.size(), Layout::plain),
                  std::vector<Layout>(outputs.size(), given[0])};
  layouts.inputs[0] = given[0];
  return layouts;
}

Layouts joined_layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>& given,
                       const std::vector<std::size_t>& parts) {
  // Parts that are one channel or one pixel lie the same in both layouts, but then so does each block of the
  // whole.
  const bool last = std::any_of(parts.begin(), parts.end(),
                                [&](std::size_t i) { return given[i] == Layout::channels_last; });
  const Layout layout = last ? Layout::channels_last : Layout::plain;
  Layouts layouts{std::vector<Layout>(inputs.size(), Layout::plain),
                  std::vector<Layout>(outputs.size(), layout)};
  for (const std::size_t i : parts) layouts.inputs[i] = layout;
  return layouts;
}

Layouts channels_last_through(const Inputs& inputs, const Outputs& outputs) {
  const DType type = inputs[0].dtype;
  const bool fits = (type == DType::f32 || type == DType::u8 || type == DType::i8) && inputs[0].shape.size() <= 5;
  return as_first_input(inputs, outputs, {fits ? Layout::channels_last : Layout::plain});
}

Shape stored_shape(const Shape& shape, Layout layout) {
  if (layout == Layout::plain) return shape;
  Shape stored = shape;
  stored.erase(stored.begin() + 1);
  stored.push_back(shape[1]);
  return stored;
}

std::unique_ptr<Kernel> make_strided_copy(kernels::Executor& executor, Scratch& scratch,
                                          const dnnl::memory::dims& dims, const dnnl::memory::dims& from,
                                          const dnnl::memory::dims& to, dnnl::memory::data_type type) {
  // Along the dimension that is outermost in the destination, of those that are long enough.
  const auto enough = [&](std::size_t d) { return std::min<std::int64_t>(dims[d], 2 * executor.threads()); };
  std::size_t along = 0;
  std::int64_t elements = 1;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    elements *= dims[d];
    if (std::pair(enough(d), to[d]) > std::pair(enough(along), to[along])) along = d;
  }
  DividedCall call(executor, scratch);
  add_ranges<dnnl::reorder>(
      call, divided(dims[along], elements, executor.threads()),
      [&](std::int64_t length) {
        dnnl::memory::dims part = dims;
        part[along] = length;
        return dnnl::reorder::primitive_desc(onednn_engine(), {part, type, from}, onednn_engine(),
                                             {part, type, to}, onednn_attributes());
      },
      [&](const Range& range, const dnnl::reorder::primitive_desc& pd) {
        call.bind(DNNL_ARG_SRC, pd.src_desc(), range.begin * from[along]);
        call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin * to[along]);
      });
  return std::make_unique<UnaryOneDnnKernel>(std::move(call));
}

void UnaryOneDnnKernel::run(const Inputs& inputs, const Outputs& outputs) {
  call_.set(kSource, inputs[0].data);
  call_.set(kDestination, outputs[0].data);
  call_.run();
}

std::unique_ptr<Backend> make_cpu_backend(const PackedKeeping& keeping) {
  return std::make_unique<CpuBackend>(keeping);
}

}  // namespace edgeclip::engine
