#include "ops/differentiable.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include "base/profile.h"
#include "ops/kept_rows.h"

namespace lora::ops {
namespace {

constexpr std::string_view kPrefix = "lora::";  // of the names of our nodes

class FusedNode final : public torch::autograd::Node {
 public:
  FusedNode(std::string name, torch::autograd::edge_list edges, BackwardFunction backward)
      : Node(std::move(edges)), name_(std::string(kPrefix) + name), backward_(std::move(backward)) {}

  std::string name() const override { return name_; }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    TORCH_CHECK(backward_, name_, ": the backward pass ran twice over one graph");
    std::vector<bool> needed(num_outputs());
    for (size_t i = 0; i < needed.size(); ++i) needed[i] = task_should_compute_output(i);
    for (size_t i = 0; i < gradients.size(); ++i)
      if (!gradients[i].defined()) gradients[i] = input_metadata(i).zeros_like();
    const c10::NoGradGuard no_grad;
    const ProfileScope scope(std::string_view(name_).substr(kPrefix.size()));
    return backward_(gradients, needed);
  }

  // Called by autograd as soon as the node has done its work: what it saved is freed at once.
  void release_variables() override { backward_ = nullptr; }

 private:
  std::string name_;
  BackwardFunction backward_;
};

// Nodes are held by std::shared_ptr up to LibTorch 2.12 and by c10::intrusive_ptr from 2.13 on.
template <class NodePointer, class... Arguments>
NodePointer make_node(Arguments&&... arguments) {
  if constexpr (std::is_constructible_v<NodePointer, std::shared_ptr<FusedNode>>)
    return NodePointer(std::make_shared<FusedNode>(std::forward<Arguments>(arguments)...));
  else
    return c10::make_intrusive<FusedNode>(std::forward<Arguments>(arguments)...);
}

}  // namespace

bool any_requires_grad(const std::vector<at::Tensor>& inputs) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const at::Tensor& input : inputs)
    if (input.defined() && input.requires_grad()) return true;
  return false;
}

void attach_backward(const std::string& name, const std::vector<at::Tensor>& inputs,
                     std::vector<at::Tensor>& outputs, BackwardFunction backward) {
  if (!any_requires_grad(inputs)) return;
  using NodePointer = decltype(torch::autograd::Edge::function);
  const auto node =
      make_node<NodePointer>(name, torch::autograd::collect_next_edges(inputs), std::move(backward));
  for (at::Tensor& output : outputs) {
    const auto input_number = node->add_input_metadata(output);
    torch::autograd::impl::set_gradient_edge(output, {node, input_number});
  }
}

at::Tensor recomputed(const at::Tensor& x, const std::vector<at::Tensor>& parameters,
                      std::function<at::Tensor(const at::Tensor&, bool)> forward, MatmulPrecision precision) {
  std::vector<at::Tensor> inputs{x}, outputs;
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  const at::Tensor xd = x.detach();
  {
    const c10::NoGradGuard no_grad;
    outputs.push_back(forward(xd, false));
  }
  if (!any_requires_grad(inputs)) return outputs[0];
  const KeptRows kept(xd.contiguous(), precision);
  attach_backward("recomputed", inputs, outputs,
                  [kept, parameters, forward = std::move(forward)](const auto& gradients,
                                                                   const std::vector<bool>& needed) {
                    const at::Tensor restored = kept.restored().detach();
                    const c10::AutoGradMode with_grad(true);
                    const at::Tensor leaf = restored.requires_grad_(needed[0]);
                    std::vector<at::Tensor> asked, result(needed.size());
                    if (needed[0]) asked.push_back(leaf);
                    for (size_t i = 1; i < needed.size(); ++i)
                      if (needed[i]) asked.push_back(parameters[i - 1]);
                    const auto given = torch::autograd::grad({forward(leaf, true)}, asked, {gradients[0]},
                                                             /*retain_graph=*/false, /*create_graph=*/false,
                                                             /*allow_unused=*/true);
                    for (size_t i = 0, next = 0; i < needed.size(); ++i)
                      if (needed[i]) result[i] = given[next++];
                    return result;
                  });
  return outputs[0];
}

}  // namespace lora::ops
