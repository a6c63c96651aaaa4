#include "train/losses/teacher_memory.h"

#include <algorithm>
#include <functional>

#include "base/progress.h"
#include "data/dataset/batch_order.h"
#include "data/dataset/captions.h"
#include "data/dataset/loader.h"
#include "model/tensors.h"

namespace edgeclip {

namespace {

constexpr std::int64_t kTeacherBatch = 64;

struct Said {
  torch::Tensor indices, unit, hidden;
};

/// Runs this rank's part of the batches and gathers those of all.
TeacherRows rows_of_batches(std::int64_t batches, std::int64_t indices, bool hidden, Ranks& ranks, Progress& progress,
                            const std::function<Said(std::int64_t batch)>& run) {
  const auto [begin, end] = part_of_rank(batches, ranks.rank(), ranks.world());
  const std::int64_t rounds = (batches + ranks.world() - 1) / ranks.world();  // some ranks have one less
  std::vector<torch::Tensor> places, units, states;
  for (std::int64_t k = begin; k < begin + rounds; ++k) {
    ranks.end_if_interrupted();
    if (k >= end) continue;
    const Said said = run(k);
    places.push_back(said.indices);
    units.push_back(said.unit.cpu());
    if (hidden) states.push_back(said.hidden.cpu());
    progress.advance();
  }
  const auto all = [&](const std::vector<torch::Tensor>& parts, const torch::Tensor& none) {
    return ranks.gathered(parts.empty() ? none : torch::cat(parts));
  };
  EDGECLIP_CHECK(!units.empty() || !ranks.alone(), "no batches");
  // A rank without batches still has to say how wide rows are.
  const Said like = units.empty() ? run(0) : Said{places.front(), units.front(), hidden ? states.front() : torch::Tensor()};
  TeacherRows rows;
  const torch::Tensor index = all(places, like.indices.slice(0, 0, 0));
  rows.unit = all(units, like.unit.cpu().slice(0, 0, 0));
  if (hidden) rows.hidden = all(states, like.hidden.cpu().slice(0, 0, 0));
  rows.place = torch::full({indices}, -1, torch::kInt64);
  rows.place.index_put_({index}, torch::arange(index.size(0)));
  return rows;
}

}  // namespace

TeacherMemoryPlan teacher_memory_plan(const Dataset& dataset, const LoaderOptions& loading, const ModelConfig& teacher, std::int64_t rows,
                                      bool hidden, int cache_mb) {
  TeacherMemoryPlan plan;
  plan.hidden = hidden;
  const std::int64_t most = static_cast<std::int64_t>(cache_mb) << 20;
  const auto take = [&](bool unchanged, std::int64_t count, std::int64_t width) {
    const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(float)) * (teacher.projection_dim + (hidden ? width : 0));
    if (!unchanged || rows < 2 * count || plan.bytes + bytes > most) return false;
    plan.bytes += bytes;
    return true;
  };
  const auto& tokens = loading.augment.tokens;
  plan.captions = take(tokens.drop <= 0 && tokens.mask <= 0, static_cast<std::int64_t>(captions_of(dataset, loading.split).size()),
                       teacher.text.hidden_size);
  plan.images = take(!loading.augment.changes_images(), static_cast<std::int64_t>(dataset.split(loading.split).size()), teacher.vision.width());
  return plan;
}

TeacherMemory remember_teacher(DualEncoder& teacher, ComputeType compute, const TeacherMemoryPlan& plan, const Dataset& dataset,
                               const ImageTransform& transform, const LoaderOptions& loading, Ranks& ranks) {
  const torch::NoGradGuard no_grad;
  const torch::Device device = teacher->logit_scale.device();
  TeacherMemory memory;
  if (plan.captions) {
    const std::vector<std::int64_t> captions = captions_of(dataset, loading.split);
    const torch::Tensor tokens = from_tensor(dataset.tokens.view()).to(torch::kInt64), index = torch::tensor(captions, torch::kInt64);
    const std::int64_t count = index.size(0), batches = (count + kTeacherBatch - 1) / kTeacherBatch;
    Progress progress("teacher reads", batches, "batches");
    memory.captions = rows_of_batches(batches, tokens.size(0), plan.hidden, ranks, progress, [&](std::int64_t k) {
      const torch::Tensor some = index.slice(0, k * kTeacherBatch, std::min(count, (k + 1) * kTeacherBatch));
      const torch::Tensor hidden = teacher->hidden_text(tokens.index_select(0, some).to(device), compute);
      return Said{some, unit_rows(teacher->text_projection(hidden, compute)), hidden};
    });
  }
  if (plan.images) {
    LoaderOptions in_order;
    in_order.split = loading.split;
    in_order.batch = static_cast<int>(kTeacherBatch);
    in_order.loading = loading.loading.for_each_image();
    in_order.loading.cache_mb = 0;  // each image is read once
    in_order.shuffle = in_order.drop_last = false;
    Loader loader(dataset, transform, in_order);
    const std::int64_t batches = loader.batches_per_epoch();
    loader.start_epoch(0, part_of_rank(batches, ranks.rank(), ranks.world()).first);
    Progress progress("teacher looks", batches, "batches");
    const auto indices = static_cast<std::int64_t>(dataset.images.size());
    memory.images = rows_of_batches(batches, indices, plan.hidden, ranks, progress, [&](std::int64_t) {
      const std::optional<Batch> batch = loader.next();
      EDGECLIP_CHECK(batch.has_value(), "fewer batches than there are");
      const torch::Tensor hidden = teacher->hidden_image(from_tensor(batch->pixels.view()).to(device), compute);
      return Said{torch::tensor(batch->images, torch::kInt64), unit_rows(teacher->visual_projection(hidden, compute)), hidden};
    });
  }
  return memory;
}

}  // namespace edgeclip
