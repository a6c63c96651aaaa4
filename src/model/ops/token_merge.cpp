#include "model/ops/token_merge.h"

#include "base/error.h"

namespace edgeclip::ops {

namespace {

thread_local MergeMargins* watching = nullptr;

/// likeness: (B, sources, targets); most: (B, sources), whose `stay` least ones are not merged.
void note_margins(const torch::Tensor& likeness, const torch::Tensor& most, std::int64_t stay) {
  const auto [values, order] = most.sort(1);
  torch::Tensor least = values.select(1, stay) - values.select(1, stay - 1);
  if (likeness.size(2) > 1) {
    const torch::Tensor two = std::get<0>(likeness.topk(2, -1)), nearer = two.select(2, 0) - two.select(2, 1);
    least = torch::minimum(least, nearer.gather(1, order.slice(1, stay)).amin(1));
  }
  watching->least = watching->least.defined() ? torch::minimum(watching->least, least) : least;
}

/// (B, T - merged, T): 1 where a token (column) goes into a row.  keys: (B, T, heads d).
torch::Tensor matching(const torch::Tensor& keys, std::int64_t heads, std::int64_t merged) {
  const torch::NoGradGuard no_grad;
  const auto B = keys.size(0), T = keys.size(1), sources = (T + 1) / 2, targets = T / 2, stay = sources - merged;
  torch::Tensor units = keys.to(torch::kFloat).reshape({B, T, heads, -1}).mean(2);
  units = units / units.norm(2, -1, /*keepdim=*/true);
  const torch::Tensor likeness = units.slice(1, 0, T, 2).matmul(units.slice(1, 1, T, 2).transpose(1, 2));
  const auto [most, nearest] = likeness.max(-1);  // (B, sources), the first of equals
  most.select(1, 0).fill_(-4);                    // no product of unit keys is below -1
  if (watching) note_margins(likeness, most, stay);
  const torch::Tensor order = std::get<1>(torch::sort(most, /*stable=*/true, 1, /*descending=*/false));
  const torch::Tensor kept = std::get<0>(order.slice(1, 0, stay).sort(1));
  const torch::Tensor keep = torch::zeros({B, stay, sources}, units.options()).scatter_(2, kept.unsqueeze(2), 1);
  const torch::Tensor gone = 1 - keep.sum(1, /*keepdim=*/true);
  const torch::Tensor move =
      torch::zeros({B, sources, targets}, units.options()).scatter_(2, nearest.unsqueeze(2), 1).transpose(1, 2) * gone;
  torch::Tensor all = torch::zeros({B, T - merged, T}, units.options());
  all.slice(2, 0, T, 2).copy_(torch::cat({keep, move}, 1));
  all.slice(1, stay).slice(2, 1, T, 2).copy_(torch::eye(targets, units.options()));
  return all;
}

}  // namespace

MergeMargins::MergeMargins() : outer_(std::exchange(watching, this)) {}
MergeMargins::~MergeMargins() { watching = outer_; }

std::pair<torch::Tensor, Sequences> merge_tokens(const torch::Tensor& x, const torch::Tensor& keys, std::int64_t heads,
                                                 const Sequences& sequences, std::int64_t merged) {
  const std::int64_t B = sequences.count(), T = sequences.longest();
  EDGECLIP_CHECK(sequences.is_equal() && !sequences.causal, "tokens of sequences that differ");
  if (B == 0) {
    Sequences none = sequences;
    none.sizes = torch::empty({0}, x.options().dtype(torch::kFloat).requires_grad(false));
    return {x, none};
  }
  EDGECLIP_CHECK(merged >= 1 && merged < (T + 1) / 2, "{} of {} tokens", merged, T);
  const torch::Tensor into = matching(keys.detach().view({B, T, -1}), heads, merged);
  const torch::Tensor sizes = sequences.sizes.defined() ? sequences.sizes.view({B, 1, T}) : torch::ones({B, 1, T}, into.options());
  const torch::Tensor weights = into * sizes, held = weights.sum(-1, /*keepdim=*/true);  // (B, T - merged, 1)
  Sequences left = Sequences::equal(B, T - merged);
  left.sizes = held.flatten();
  return {(torch::bmm(weights, x.view({B, T, -1})) / held).flatten(0, 1), left};
}

}  // namespace edgeclip::ops
