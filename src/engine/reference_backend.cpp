#include "engine/backend.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

Layout normalized(Layout layout, const Shape& shape) {
  if (layout == Layout::plain || shape.size() < 3 || shape[1] == 1 || product(shape, 2, shape.size()) == 1)
    return Layout::plain;
  return layout;
}

Layouts PreparedNode::layouts(const Inputs& inputs, const Outputs& outputs,
                              const std::vector<Layout>&) const {
  return {std::vector<Layout>(inputs.size(), Layout::plain),
          std::vector<Layout>(outputs.size(), Layout::plain)};
}

bool PreparedNode::in_place(std::size_t, const Inputs&, const Outputs&) const { return false; }

namespace {

class ReferenceNode final : public PreparedNode {
 public:
  using PreparedNode::PreparedNode;
  std::unique_ptr<Kernel> bind(const BindRequest&) const override { return make_reference_kernel(node); }
};

class ReferenceBackend final : public Backend {
 public:
  std::unique_ptr<PreparedNode> prepare(const Node& node, const Inputs&) override {
    return std::make_unique<ReferenceNode>(node);
  }
  std::unique_ptr<Kernel> bind_reorder(const TensorView&, Layout, Layout, Scratch&,
                                       kernels::Executor&) override {
    EDGECLIP_CHECK(false, "the reference kernels know one layout");
  }
  std::int64_t packed_bytes() const override { return 0; }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace edgeclip::engine
