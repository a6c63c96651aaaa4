#include "model/recompute.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "model/ops/first_derivative.h"
#include "model/random_state.h"

namespace edgeclip {

namespace {

using torch::autograd::variable_list;

thread_local bool recomputing = false;

struct SecondRun {
  explicit SecondRun(RandomState then, const at::Device& device) : now(device) {
    then.restore();
    recomputing = true;
  }
  ~SecondRun() {
    recomputing = false;
    now.restore();
  }
  SecondRun(const SecondRun&) = delete;
  SecondRun& operator=(const SecondRun&) = delete;
  RandomState now;
};

class RecomputeNode : public torch::autograd::Node {
 public:
  RecomputeNode(std::function<torch::Tensor(const torch::Tensor&)> block, const torch::Tensor& x,
                std::vector<torch::Tensor> parameters)
      : block_(std::move(block)),
        x_(x, /*is_output=*/false),
        parameters_(std::move(parameters)),
        random_(x.device()) {}

  variable_list apply(variable_list&& gradients) override {
    ops::refuse_second_derivative("a block that is computed again");
    variable_list out(1 + parameters_.size());
    if (!gradients[0].defined()) return out;
    const torch::AutoGradMode with_graph(true);
    const torch::Tensor saved = x_.unpack();
    const torch::Tensor x = saved.detach().requires_grad_(task_should_compute_output(0));
    torch::Tensor y;
    {
      const SecondRun second(random_, saved.device());
      y = block_(x);
    }
    variable_list inputs;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!task_should_compute_output(i)) continue;
      inputs.push_back(i == 0 ? x : parameters_[i - 1]);
      places.push_back(i);
    }
    const variable_list found = torch::autograd::grad({y}, inputs, {gradients[0]}, /*retain_graph=*/false,
                                                      /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < places.size(); ++i) out[places[i]] = found[i];
    return out;
  }
  void release_variables() override {
    x_.reset_data();
    block_ = nullptr;
  }

 private:
  std::function<torch::Tensor(const torch::Tensor&)> block_;
  torch::autograd::SavedVariable x_;
  std::vector<torch::Tensor> parameters_;
  RandomState random_;
};

}  // namespace

bool is_recomputing() { return recomputing; }

torch::Tensor recomputed(std::function<torch::Tensor(const torch::Tensor&)> block, const torch::Tensor& x,
                         const std::vector<torch::Tensor>& parameters) {
  bool needed = x.requires_grad();
  for (const auto& parameter : parameters) needed = needed || parameter.requires_grad();
  if (!torch::GradMode::is_enabled() || !needed) return block(x);
  variable_list inputs = {x};
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  const std::shared_ptr<RecomputeNode> node(new RecomputeNode(block, x, parameters),
                                            torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  torch::Tensor y;
  {
    const torch::NoGradGuard no_graph;
    y = block(x);
  }
  torch::autograd::set_history(y, node);
  return y;
}

}  // namespace edgeclip
