#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/ops/operator.h"
#include "engine/runtime/log.h"
#include "kernels/executor.h"

/// What the runtime asks of the machine that computes.  No type of a library appears here: graph, passes and
/// runtime stay as they are when a backend is added.  A node comes to life in three steps:
///   prepare: node and constants → PreparedNode, one per session: attributes parsed, constants packed
///   bind:    shapes and layouts → Kernel, one per context and set of shapes: code chosen, scratch reserved
///   run:     pointers
namespace edgeclip::engine {

/// How the elements of a value lie in memory.  Both are dense.
enum class Layout : std::uint8_t {
  plain,         ///< row-major, as the shape says
  channels_last  ///< (N, C, spatial...) stored as (N, spatial..., C)
};

/// channels_last, or plain where the two are the same bytes: one channel, one pixel, less than three
/// dimensions.
Layout normalized(Layout layout, const Shape& shape);

/// Work space of one context, shared by its kernels since they run one after the other.  Kernels reserve
/// while they are bound and ask for the pointer while they run; it is part of the context's memory pool.
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

/// Layouts of a node's inputs and outputs, parallel to them.
struct Layouts {
  std::vector<Layout> inputs, outputs;
};

/// What a node sees while it is bound to one set of shapes.  References need not outlive the call, but for
/// the scratch, which outlives the kernel.
struct BindRequest {
  /// data is set for the graph's constants, which live as long as the session, and for what follows from
  /// shapes alone, which lives as long as the kernel; null for the rest.
  const Inputs& inputs;
  const Outputs& outputs;  ///< dtypes and shapes; data is null
  const Layouts& layouts;  ///< those that layouts() asked for
  Scratch& scratch;        ///< of the context
  kernels::Executor& executor = kernels::serial_executor();  ///< of the session, which outlives the kernel
};

/// One node of a session: immutable and shared by contexts.  Thread-safe.  Its Node must outlive it.
class PreparedNode {
 public:
  explicit PreparedNode(const Node& node) : node(node) {}
  virtual ~PreparedNode() = default;

  /// The layouts it computes in, if its inputs lie as `given`.  Follows from the shapes alone, not from the
  /// CPU: memory plans are the same on every machine.  The runtime reorders inputs that lie otherwise.
  virtual Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                          const std::vector<Layout>& given) const;

  /// Whether output 0 may be written over input i (same bytes, each element read before it is written).
  virtual bool in_place(std::size_t i, const Inputs& inputs, const Outputs& outputs) const;

  /// Throws std::bad_alloc.
  virtual std::unique_ptr<Kernel> bind(const BindRequest& request) const = 0;

  const Node& node;
};

/// A machine that computes: one per session, which outlives what it makes.  Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  /// constants: per input of the node; data is null for what is no constant.  They are verified but for those that
  /// verifies_itself() says.  Throws InvalidInput.
  virtual std::unique_ptr<PreparedNode> prepare(const Node& node, const Inputs& constants) = 0;

  /// A copy of `value` from one layout to the other.  The scratch is the context's, the executor the
  /// session's: both outlive the kernel.
  virtual std::unique_ptr<Kernel> bind_reorder(const TensorView& value, Layout from, Layout to,
                                               Scratch& scratch, kernels::Executor& executor) = 0;

  /// Whether the backend verifies input i of the node, a constant, before it reads any byte of it, if it does:
  /// there is a packed copy of it in a file.
  virtual bool verifies_itself(const Node&, std::size_t, const TensorView&) const { return false; }

  /// Writes what was packed since the last call to the file that packed constants are kept in.
  virtual void keep_packed() {}
  /// Another number whenever packed constants in private memory were replaced by those of the file: kernels that were
  /// bound before keep that memory until they are bound again.
  virtual std::uint64_t packed_generation() const { return 0; }

  /// Bytes of constants kept in a form of the backend's own, beside the graph's, in memory of this process's own.
  virtual std::int64_t packed_bytes() const = 0;
};

/// Where constants that are packed are kept between processes.
struct PackedKeeping {
  std::shared_ptr<const ConstantSource> source;  ///< of the graph: a file beside its own; none: nowhere
  LogCallback log{};
};

/// The readable kernels, single-threaded: the oracle.
std::unique_ptr<Backend> make_reference_backend();
/// This machine's CPU (cpu/): oneDNN and loops of our own, and the readable kernels for what they lack.
std::unique_ptr<Backend> make_cpu_backend(const PackedKeeping& keeping = {});

}  // namespace edgeclip::engine
