#pragma once

#include "engine/ops/support.h"

/// The loops of operators that work element by element.
namespace edgeclip::engine {

/// out[i] = f(in[i]) for float32 and float64, with f an F made from the node's attributes.
template <class F>
void run_float(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    const F f(node);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) y[i] = f(x[i]);
  });
}

/// The same for all numbers.
template <class F>
void run_number(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    const F f(node);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) y[i] = f(x[i]);
  });
}

/// out = f(a, b); the row loops with a constant side are apart so that the compiler vectorizes them.
template <class A, class B, class R, class F>
void broadcast_binary(const TensorView& a, const TensorView& b, const OutputView& out, F f) {
  const A* pa = a.as<A>();
  const B* pb = b.as<B>();
  R* y = out.as<R>();
  const Shape strides[2] = {broadcast_strides(a.shape, out.shape), broadcast_strides(b.shape, out.shape)};
  if (a.shape == out.shape && b.shape == out.shape) {
    for (std::int64_t i = 0, n = out.elements(); i < n; ++i) y[i] = f(pa[i], pb[i]);
    return;
  }
  for_each_row(out.shape, strides,
               [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
                 const A* x = pa + offsets[0];
                 const B* z = pb + offsets[1];
                 if (steps[0] == 1 && steps[1] == 1)
                   for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i], z[i]);
                 else if (steps[0] == 1 && steps[1] == 0)
                   for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i], z[0]);
                 else
                   for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i * steps[0]], z[i * steps[1]]);
                 y += n;
               });
}

}  // namespace edgeclip::engine
