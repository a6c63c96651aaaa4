#include "dual_encoder/tower.h"

#include <algorithm>

namespace edgeclip {

Tower::Opened& Tower::opened() {
  std::lock_guard lock(mutex_);
  if (opened_) return *opened_;
  engine::Session session(engine::open_plan_graph(plan_, graph_), options_);
  const engine::Graph& graph = session.graph();
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1)
    invalid_input("{}: graph {} has {} inputs and {} outputs, a tower one of each; build the plan again",
                  plan_.directory.string(), graph_, graph.inputs.size(), graph.outputs.size());
  opened_ = std::make_unique<Opened>(std::move(session));
  return *opened_;
}

Tensor Tower::encode(const TensorView& input) {
  const std::int64_t rows = input.shape[0], most = plan_.batches.back();
  Tensor result(DType::f32, {rows, width_});
  if (rows == 0) return result;
  const std::size_t row_bytes = input.bytes() / static_cast<std::size_t>(rows);
  engine::ContextPool::Lease context(opened().contexts);
  for (std::int64_t done = 0; done < rows; done += most) {
    TensorView part = input;
    part.shape[0] = std::min<std::int64_t>(rows - done, most);
    part.data = input.data + static_cast<std::size_t>(done) * row_bytes;
    std::vector<engine::OutputView> outputs = context->output_views({part});
    if (outputs[0].dtype != DType::f32 || outputs[0].shape != Shape{part.shape[0], width_})
      invalid_input("{}: graph {} gives {} {}, the model card says embeddings of {}; build the plan again",
                    plan_.directory.string(), graph_, dtype_name(outputs[0].dtype),
                    shape_string(outputs[0].shape), width_);
    outputs[0].data = reinterpret_cast<std::byte*>(result.data<float>() + done * width_);
    context->run({part}, outputs);
  }
  return result;
}

}  // namespace edgeclip
