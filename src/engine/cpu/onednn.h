#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ops/activation.h"
#include "engine/ops/operator.h"

/// What every oneDNN kernel shares.  A family is a file: `std::unique_ptr<Kernel> make_onednn_<family>(const
/// KernelRequest&)` returns nullptr where the family does not fit (operator, dtype, shape); the reference
/// kernel then takes the node.  oneDNN runs on OpenMP's threads: base/threads.h sets how many.
namespace edgeclip::engine {

constexpr auto kF32 = dnnl::memory::data_type::f32;

/// The one CPU engine of this process.
const dnnl::engine& onednn_engine();

/// oneDNN's type; nothing for those it lacks (f64, i64, ...).
std::optional<dnnl::memory::data_type> onednn_dtype(DType dtype);

/// Strides (in elements) of a dense row-major tensor.
dnnl::memory::dims dense_strides(const dnnl::memory::dims& dims);

/// Row-major description of `dims`.  Strides are given outright, so any rank from 1 to 12 works.
dnnl::memory::desc dense_desc(const dnnl::memory::dims& dims, dnnl::memory::data_type type);

/// Weights in the layout a primitive asked for, made once and shared by all contexts of a session.
/// Thread-safe.
class PackedWeights {
 public:
  /// `constant` (described by `from`) reordered to `to`.  The same pointer, `from` and `to` give the same
  /// memory.  Where the two are equal the constant itself is described, without a copy: it must outlive the
  /// cache, as the graph's do.
  dnnl::memory get(const std::byte* constant, const dnnl::memory::desc& from, const dnnl::memory::desc& to);

  /// Bytes of all copies made so far.
  std::size_t bytes() const;

 private:
  struct Entry {
    dnnl::memory::desc from, to;
    dnnl::memory packed;
  };
  mutable std::mutex mutex_;
  std::unordered_multimap<const std::byte*, Entry> entries_;
  std::size_t bytes_ = 0;
};

/// Work space of one context, shared by its kernels since they run one after the other.  Kernels reserve
/// while they are made ready and ask for the pointer while they run; it is part of the context's memory pool.
class Scratch {
 public:
  void reserve(std::size_t bytes) { needed_ = std::max(needed_, bytes); }
  std::size_t needed() const { return needed_; }
  /// 64-byte aligned, of at least the largest size reserved.
  std::byte* data() const { return data_; }

  /// For the context that owns the memory.
  void place(std::byte* data) { data_ = data; }

 private:
  std::size_t needed_ = 0;
  std::byte* data_ = nullptr;
};

/// What a factory sees while a node is made ready for one set of shapes.  References outlive the kernel, but
/// for `inputs` and `outputs`, which it must not keep.
struct KernelRequest {
  const Node& node;
  const Inputs& inputs;    ///< data is set only for the graph's constants, which live as long as the session
  const Outputs& outputs;  ///< dtypes and shapes; data is null
  PackedWeights& weights;  ///< of the session
  Scratch& scratch;        ///< of the context
  dnnl::stream& stream;    ///< of the context
};

/// Attributes that every primitive starts from: the scratchpad is ours (Scratch), not the library's.
dnnl::primitive_attr onednn_attributes();

/// Behind what the primitive computes.
void append_activation(dnnl::post_ops& post, Activation activation);

/// A primitive with its arguments, bound once; run() only exchanges pointers and does not allocate.
class OneDnnCall {
 public:
  /// Reserves the scratchpad that `pd` wants.
  template <class PrimitiveDesc>
  OneDnnCall(const dnnl::primitive& primitive, const PrimitiveDesc& pd, const KernelRequest& request)
      : OneDnnCall(primitive, pd.scratchpad_desc(), pd.impl_info_str(), request) {}

  /// An argument whose memory is known now (packed weights).
  void bind(int argument, const dnnl::memory& memory);
  /// An argument whose pointer set() gives before every run; returns its index for set().
  std::size_t bind(int argument, const dnnl::memory::desc& desc);
  void set(std::size_t index, const std::byte* data);
  void run();

  /// "onednn:" and the library's own name of the implementation.
  const std::string& implementation() const { return implementation_; }

 private:
  OneDnnCall(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
             const char* implementation, const KernelRequest& request);

  dnnl::primitive primitive_;
  dnnl::stream& stream_;
  Scratch& scratch_;
  std::string implementation_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::optional<std::size_t> scratchpad_;
};

/// The fastest kernel this build has for the node: the families in order, then the reference.
std::unique_ptr<Kernel> select_kernel(const KernelRequest& request);

}  // namespace edgeclip::engine
