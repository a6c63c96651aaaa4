#pragma once

#include <cstddef>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/backend.h"
#include "engine/ops/activation.h"

/// What the kernels over oneDNN share; no header outside of cpu/ includes this one.  oneDNN knows OpenMP's
/// threads only: each primitive is made and run for the calling thread alone, and threads of ours share out
/// the work (divided_call.h).
namespace edgeclip::engine {

constexpr auto kF32 = dnnl::memory::data_type::f32;

/// While it lives, OpenMP's number of threads is 1 for the calling thread: what oneDNN makes primitives for,
/// and runs them by.
class SingleThreaded {
 public:
  SingleThreaded();
  ~SingleThreaded();
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  const int before_;
};

/// The one CPU engine of this process.
const dnnl::engine& onednn_engine();

/// The library's type of a uint8, int8 or float32 value.
dnnl::memory::data_type onednn_type(DType dtype);

/// A type of the same size for what only moves elements; nothing for sizes that reorders lack.
std::optional<dnnl::memory::data_type> moved_as(DType dtype);

/// Strides (in elements) of a dense row-major tensor.
dnnl::memory::dims dense_strides(const dnnl::memory::dims& dims);

/// Row-major description of `dims`.  Strides are given outright, so any rank from 1 to 12 works.
dnnl::memory::desc dense_desc(const dnnl::memory::dims& dims, dnnl::memory::data_type type);

/// The same for a value (N, C, spatial...) that lies as `layout`.
dnnl::memory::desc layout_desc(const dnnl::memory::dims& dims, Layout layout, dnnl::memory::data_type type);

/// Weights in the form a primitive asked for, made once and shared by all contexts of a session; the pages of
/// a mapped file that they were made from are given back.  Thread-safe.
class PackedWeights {
 public:
  /// `constant` (described by `from`) reordered to `to`.  The same pointer, `from` and `to` give the same
  /// memory.  Where the two are equal the constant itself is described, without a copy: it must outlive the
  /// cache, as the graph's do.
  dnnl::memory get(const std::byte* constant, const dnnl::memory::desc& from, const dnnl::memory::desc& to);

  /// The same of weights of another type than their description `from` in float32: 16-bit floats are widened
  /// first, or reordered as they are where `to` is of their type.
  dnnl::memory get(const TensorView& constant, const dnnl::memory::desc& from, const dnnl::memory::desc& to);

  /// A form of this constant that exists already: asked for first, so that one form serves every batch size.
  std::optional<dnnl::memory::desc> existing(const std::byte* constant,
                                             const dnnl::memory::desc& from) const;

  /// Bytes of all copies made so far.
  std::size_t bytes() const;

 private:
  struct Entry {
    dnnl::memory::desc from, to;
    dnnl::memory packed;
  };
  dnnl::memory pack(const std::byte* key, std::size_t bytes, const dnnl::memory::desc& described,
                    const dnnl::memory::desc& from, void* data, const dnnl::memory::desc& to);
  mutable std::mutex mutex_;
  std::unordered_multimap<const std::byte*, Entry> entries_;
  std::size_t bytes_ = 0;
};

/// The primitive descriptor for constant weights: describe(form) with the form that exists already, where
/// that does not change the implementation, else with the library's own choice.  The choice follows shapes,
/// and each further form is another copy of the weights.  plain, any: the weights as they are given, and as
/// it may choose.
template <class Describe>
auto describe_packed(const PackedWeights& weights, const std::byte* constant, const dnnl::memory::desc& plain,
                     const dnnl::memory::desc& any, const Describe& describe) {
  auto best = describe(any);
  const auto existing = weights.existing(constant, plain);
  if (!existing || best.weights_desc() == *existing || existing->data_type() != any.data_type()) return best;
  try {
    auto same = describe(*existing);
    if (std::string(same.impl_info_str()) == best.impl_info_str()) return same;
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
  }
  return best;
}

/// Attributes that every primitive starts from: the scratchpad is ours (Scratch), not the library's.
dnnl::primitive_attr onednn_attributes();

/// Behind what the primitive computes.
void append_activation(dnnl::post_ops& post, Activation activation);

/// A primitive with its arguments, bound once; run() only exchanges pointers.
class OneDnnCall {
 public:
  /// Reserves the scratchpad that `pd` wants.
  template <class PrimitiveDesc>
  OneDnnCall(const dnnl::primitive& primitive, const PrimitiveDesc& pd, Scratch& scratch)
      : OneDnnCall(primitive, pd.scratchpad_desc(), pd.impl_info_str(), scratch) {}

  /// An argument whose memory is known now (packed weights).
  void bind(int argument, const dnnl::memory& memory);
  /// An argument whose pointer set() gives before every run; returns its index for set().
  std::size_t bind(int argument, const dnnl::memory::desc& desc);
  void set(std::size_t index, const std::byte* data);
  /// In the calling thread, with the scratch's start or memory of the caller's as scratchpad.
  void run() { run(scratch_.data()); }
  void run(std::byte* scratchpad);

  /// "onednn:" and the library's own name of the implementation.
  const std::string& implementation() const { return implementation_; }

 private:
  OneDnnCall(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
             const char* implementation, Scratch& scratch);

  dnnl::primitive primitive_;
  dnnl::stream stream_;
  Scratch& scratch_;
  std::string implementation_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::optional<std::size_t> scratchpad_;
};

}  // namespace edgeclip::engine
