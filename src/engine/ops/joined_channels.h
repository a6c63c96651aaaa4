#pragma once

#include <vector>

#include "engine/ops/support.h"

/// Operators whose x may come in parts along the channels, (N, C_i, ...) each: a Concat that needs no copy of
/// its own.  The parts are input 0 and the inputs from `further` on, in this order.
namespace edgeclip::engine {

/// Indices of the inputs that are parts of x.
inline std::vector<std::size_t> channel_parts(std::size_t inputs, std::size_t further) {
  std::vector<std::size_t> parts = {0};
  for (std::size_t i = further; i < inputs; ++i) parts.push_back(i);
  return parts;
}

/// One part of x: which input it is, and which channels of x it holds.
struct ChannelPart {
  std::size_t input = 0;
  std::int64_t first = 0, channels = 0;
};
inline std::vector<ChannelPart> channel_parts(const Inputs& inputs, std::size_t further) {
  std::vector<ChannelPart> parts;
  std::int64_t first = 0;
  for (const std::size_t i : channel_parts(inputs.size(), further)) {
    parts.push_back({i, first, inputs[i].shape[1]});
    first += inputs[i].shape[1];
  }
  return parts;
}

/// The shape of all parts together.  Throws InvalidInput if they do not fit.
inline Shape joined_channels(const ShapeContext& context, std::size_t further) {
  Shape shape = context.inputs[0].shape;
  if (shape.size() < 2) refuse(context.node, "needs (N, C, ...), not {}", shape_string(shape));
  for (std::size_t i = further; i < context.inputs.size(); ++i) {
    if (!context.node.has_input(i)) refuse(context.node, "input {} is left out", i);
    require_same_dtype(context, 0, i);
    const Shape& part = context.inputs[i].shape;
    Shape wanted = context.inputs[0].shape;
    if (part.size() == wanted.size()) wanted[1] = part[1];
    if (part != wanted)
      refuse(context.node, "{} stands beside {}", shape_string(part), shape_string(context.inputs[0].shape));
    shape[1] += part[1];
  }
  return shape;
}

/// Where the planes of image n lie, one for each channel of all parts.
template <class T>
std::vector<const T*> channel_planes(const Inputs& inputs, std::size_t further, std::int64_t n) {
  std::vector<const T*> planes;
  for (const std::size_t i : channel_parts(inputs.size(), further)) {
    const Shape& part = inputs[i].shape;
    const std::int64_t plane = product(part, 2, part.size());
    for (std::int64_t c = 0; c < part[1]; ++c)
      planes.push_back(storage<T>(inputs[i]) + (n * part[1] + c) * plane);
  }
  return planes;
}

}  // namespace edgeclip::engine
