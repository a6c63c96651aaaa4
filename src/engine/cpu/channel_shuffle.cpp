#include <cstring>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/joined_channels.h"

namespace edgeclip::engine {

namespace {

/// edgeclip.ChannelShuffle: channel i C / g + j of x is channel j g + i of y.
template <class T>
class ChannelShuffleKernel final : public Kernel {
 public:
  ChannelShuffleKernel(kernels::Executor& executor, std::vector<ChannelPart> parts, std::int64_t images,
                       std::int64_t channels, std::int64_t plane, std::int64_t groups, bool last)
      : executor_(executor),
        parts_(std::move(parts)),
        images_(images),
        channels_(channels),
        plane_(plane),
        groups_(groups),
        last_(last) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    T* y = storage<T>(outputs[0]);
    if (last_)
      shuffle_pixels(inputs, y);
    else
      move_planes(inputs, y);
  }

  std::string implementation() const override { return "loop:channel_shuffle"; }

 private:
  void shuffle_pixels(const Inputs& inputs, T* y) const {
    const std::int64_t rows = images_ * plane_;
    parallel_rows(executor_, rows, channels_,
                  [&](std::int64_t r) { shuffle_pixel(inputs, r, y + r * channels_); });
  }

  void shuffle_pixel(const Inputs& inputs, std::int64_t r, T* y) const {
    const std::int64_t each = channels_ / groups_;
    if (groups_ == 2) {  // the usual one, in a loop that vectorizes
      const T *a, *b;
      if (parts_.size() == 1) {
        a = storage<T>(inputs[0]) + r * channels_;
        b = a + each;
      } else if (parts_.size() == 2 && parts_[0].channels == each) {
        a = storage<T>(inputs[parts_[0].input]) + r * each;
        b = storage<T>(inputs[parts_[1].input]) + r * each;
      } else {
        return shuffle_parts(inputs, r, y);
      }
      for (std::int64_t j = 0; j < each; ++j) {
        y[2 * j] = a[j];
        y[2 * j + 1] = b[j];
      }
      return;
    }
    shuffle_parts(inputs, r, y);
  }

  void shuffle_parts(const Inputs& inputs, std::int64_t r, T* y) const {
    const std::int64_t each = channels_ / groups_;
    std::int64_t i = 0, j = 0;
    for (const ChannelPart& part : parts_) {
      const T* x = storage<T>(inputs[part.input]) + r * part.channels;
      for (std::int64_t c = 0; c < part.channels; ++c) {
        y[j * groups_ + i] = x[c];
        if (++j == each) {
          j = 0;
          ++i;
        }
      }
    }
  }

  void move_planes(const Inputs& inputs, T* y) const {
    const std::int64_t each = channels_ / groups_, all = images_ * channels_;
    parallel_rows(executor_, all, plane_, [&](std::int64_t to) {
      const std::int64_t n = to / channels_, c = to % channels_, from = c % groups_ * each + c / groups_;
      const ChannelPart* part = parts_.data();
      while (from >= part->first + part->channels) ++part;
      const T* x = storage<T>(inputs[part->input]) + (n * part->channels + from - part->first) * plane_;
      std::memcpy(y + to * plane_, x, static_cast<std::size_t>(plane_) * sizeof(T));
    });
  }

  kernels::Executor& executor_;
  const std::vector<ChannelPart> parts_;
  const std::int64_t images_, channels_, plane_, groups_;
  const bool last_;
};

class ChannelShuffleNode final : public CpuNode {
 public:
  explicit ChannelShuffleNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return joined_layouts(inputs, outputs, given, channel_parts(inputs.size(), 1));
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& y = request.outputs[0].shape;
    std::vector<ChannelPart> parts = channel_parts(request.inputs, 1);
    const std::int64_t plane = product(y, 2, y.size()), groups = node.int_or("group", 1);
    const bool last = request.layouts.outputs[0] == Layout::channels_last || plane == 1;
    std::unique_ptr<Kernel> kernel;
    visit_storage(request.inputs[0].dtype, [&](auto type) {
      kernel = std::make_unique<ChannelShuffleKernel<decltype(type)>>(request.executor, std::move(parts),
                                                                      y[0], y[1], plane, groups, last);
    });
    return kernel;
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_channel_shuffle(const PrepareRequest& request) {
  return std::make_unique<ChannelShuffleNode>(request);
}

}  // namespace edgeclip::engine
