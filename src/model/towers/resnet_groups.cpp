#include "model/towers/grid.h"
#include "model/towers/resnet.h"

namespace edgeclip {

namespace {

/// A convolution and the BatchNorm behind it, whose outputs are units.
void add_maker(PruneGroup& group, const std::string& conv, const std::string& norm, double applied) {
  group.slices.push_back({conv + ".weight", 0, 1, false, applied});
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) group.slices.push_back({norm + part, 0, 1, false, 0});
}

void add_reader(PruneGroup& group, const std::string& conv, double applied) {
  group.slices.push_back({conv + ".weight", 1, 1, true, applied});
}

PruneGroup channels(const std::string& name, std::int64_t units, Tap* tap) {
  PruneGroup group;
  group.name = name;
  group.kind = PruneKind::channels;
  group.units = units;
  group.taps = {tap};
  return group;
}

/// A quarter of the stage's for every block, written out.
std::vector<int>& written_inner_sizes(VisionConfig& c) {
  if (!c.inner_sizes.empty()) return c.inner_sizes;
  std::vector<int> sizes;
  for (std::size_t s = 0; s < c.depths.size(); ++s) sizes.insert(sizes.end(), static_cast<std::size_t>(2 * c.depths[s]), c.hidden_sizes[s] / 4);
  return c.inner_sizes = sizes;
}

std::function<void(ModelConfig&, int)> resize_inner(std::size_t index) {
  return [index](ModelConfig& model, int units) { written_inner_sizes(model.vision)[index] = units; };
}

/// Channels of the stream behind the stem, or behind a stage.  What its blocks have inside stays.
std::function<void(ModelConfig&, int)> resize_stream(int stage, bool with_stem, bool has_shortcut) {
  return [=](ModelConfig& model, int units) {
    VisionConfig& c = model.vision;
    written_inner_sizes(c);
    if (stage >= 0) c.hidden_sizes[static_cast<std::size_t>(stage)] = units;
    if (with_stem) c.embedding_size = units;
    c.first_shortcut = has_shortcut && c.embedding_size == c.hidden_sizes[0];
  };
}

}  // namespace

// The stream between blocks is one group per stage: a channel that goes is gone from every block that adds to it or reads it.
std::vector<PruneGroup> ResNet::prune_groups(const std::string& name, double /*tokens*/) {
  std::vector<PruneGroup> inner, streams;
  Grid grid = Grid{1, config.image_height, config.image_width}.after(7, 2);
  const bool has_shortcut = !stages[0][0]->shortcut.is_empty();
  streams.push_back(channels(name + ".conv1", conv1->weight.size(0), &stem));
  add_maker(streams.back(), name + ".conv1", name + ".bn1", grid.positions());
  if (has_shortcut) streams.back().resize = resize_stream(-1, true, true);
  grid = grid.after(3, 2);
  std::size_t index = 0;
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t i = 0; i < stages[s].size(); ++i, ++index) {
      Bottleneck block = stages[s][i];
      const std::string at = fmt::format("{}.layer{}.{}", name, s + 1, i), shortcut = at + ".downsample";
      const double before = grid.positions();
      grid = grid.after(3, block->stride);
      const double after = grid.positions();
      PruneGroup first = channels(at + ".conv1", block->conv1->weight.size(0), &block->first);
      add_maker(first, at + ".conv1", at + ".bn1", before);
      add_reader(first, at + ".conv2", after);
      first.resize = resize_inner(2 * index);
      PruneGroup second = channels(at + ".conv2", block->conv2->weight.size(0), &block->second);
      add_maker(second, at + ".conv2", at + ".bn2", after);
      add_reader(second, at + ".conv3", after);
      second.resize = resize_inner(2 * index + 1);
      inner.push_back(std::move(first));
      inner.push_back(std::move(second));

      add_reader(streams.back(), at + ".conv1", before);
      if (i == 0 && !block->shortcut.is_empty()) {
        add_reader(streams.back(), shortcut + ".0", after);
        streams.push_back(channels(fmt::format("{}.layer{}", name, s + 1), block->conv3->weight.size(0), &block->written));
        add_maker(streams.back(), shortcut + ".0", shortcut + ".1", after);
      } else {
        streams.back().taps.push_back(&block->written);
      }
      if (i == 0) streams.back().resize = resize_stream(static_cast<int>(s), s == 0 && !has_shortcut, has_shortcut);
      add_maker(streams.back(), at + ".conv3", at + ".bn3", after);
    }
  streams.back().leaves_tower = true;
  streams.back().leaves_applied = 1;
  inner.insert(inner.end(), std::make_move_iterator(streams.begin()), std::make_move_iterator(streams.end()));
  return inner;
}

std::vector<PruneBlock> ResNet::prune_blocks(const std::string& name) {
  std::vector<PruneBlock> blocks;
  std::size_t index = 0;
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t i = 0; i < stages[s].size(); ++i, ++index) {
      if (stages[s].size() == 1 || !stages[s][i]->shortcut.is_empty()) continue;
      blocks.push_back({fmt::format("{}.layer{}", name, s + 1), static_cast<int>(i), [s, index](ModelConfig& model) {
                          VisionConfig& c = model.vision;
                          if (!c.inner_sizes.empty()) {
                            const auto at = c.inner_sizes.begin() + static_cast<std::ptrdiff_t>(2 * index);
                            c.inner_sizes.erase(at, at + 2);
                          }
                          --c.depths[s];
                        }});
    }
  return blocks;
}

}  // namespace edgeclip
