// edgeclip_engine.hpp: edgeclip_engine.h for C++17: handles that close themselves, errors as exceptions.
//
//   edgeclip::Session session("plan");
//   edgeclip::Context context(session);
//   context.bind(0, pixels.data(), {1, 3, 224, 224});
//   context.run();
//   const float* logits = context.output(0).as<float>();
//
// Nothing here is part of the library: it is compiled with your program, whose exceptions and containers it
// uses.
#ifndef EDGECLIP_ENGINE_HPP
#define EDGECLIP_ENGINE_HPP

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "edgeclip_engine.h"

namespace edgeclip {
inline namespace abi1 {

/// A call that failed: what() is edgeclip_last_error().
class Error : public std::runtime_error {
 public:
  Error(edgeclip_status status, const char* text) : std::runtime_error(text), status_(status) {}
  /// EDGECLIP_INVALID_INPUT, EDGECLIP_MACHINE_FAULT or EDGECLIP_INTERNAL_ERROR.
  edgeclip_status status() const noexcept { return status_; }

 private:
  edgeclip_status status_;
};

/// Throws Error unless the call went well.
inline void check(edgeclip_status status) {
  if (status != EDGECLIP_OK) throw Error(status, edgeclip_last_error());
}

namespace detail {

template <class Handle, void (*close)(Handle*)>
struct Close {
  void operator()(Handle* handle) const noexcept { close(handle); }
};
template <class Handle, void (*close)(Handle*)>
using Owned = std::unique_ptr<Handle, Close<Handle, close>>;

template <class T>
struct DTypeOf;
// clang-format off
template <> struct DTypeOf<float> { static constexpr edgeclip_dtype value = EDGECLIP_FLOAT32; };
template <> struct DTypeOf<double> { static constexpr edgeclip_dtype value = EDGECLIP_FLOAT64; };
template <> struct DTypeOf<std::int8_t> { static constexpr edgeclip_dtype value = EDGECLIP_INT8; };
template <> struct DTypeOf<std::uint8_t> { static constexpr edgeclip_dtype value = EDGECLIP_UINT8; };
template <> struct DTypeOf<std::int16_t> { static constexpr edgeclip_dtype value = EDGECLIP_INT16; };
template <> struct DTypeOf<std::uint16_t> { static constexpr edgeclip_dtype value = EDGECLIP_UINT16; };
template <> struct DTypeOf<std::int32_t> { static constexpr edgeclip_dtype value = EDGECLIP_INT32; };
template <> struct DTypeOf<std::uint32_t> { static constexpr edgeclip_dtype value = EDGECLIP_UINT32; };
template <> struct DTypeOf<std::int64_t> { static constexpr edgeclip_dtype value = EDGECLIP_INT64; };
template <> struct DTypeOf<std::uint64_t> { static constexpr edgeclip_dtype value = EDGECLIP_UINT64; };
template <> struct DTypeOf<bool> { static constexpr edgeclip_dtype value = EDGECLIP_BOOL; };
// clang-format on

}  // namespace detail

using Dims = std::vector<std::int64_t>;

/// What a graph says of an input or output; -1 in dims: any size.  known: whether the rank is known.
struct TensorInfo {
  std::string name;
  edgeclip_dtype dtype;
  bool known;
  Dims dims;
};

/// A graph with its weights.  Immutable, thread-safe.
class Session {
 public:
  /// graph: "" where the plan has one.  options.struct_size need not be set.
  explicit Session(const std::string& plan, const std::string& graph = "",
                   edgeclip_session_options options = {}) {
    options.struct_size = sizeof options;
    edgeclip_session* opened = nullptr;
    check(edgeclip_session_open(plan.c_str(), graph.empty() ? nullptr : graph.c_str(), &options, &opened));
    handle_.reset(opened);
  }
  std::vector<TensorInfo> inputs() const { return infos(edgeclip_input_count(get()), edgeclip_input_info); }
  std::vector<TensorInfo> outputs() const {
    return infos(edgeclip_output_count(get()), edgeclip_output_info);
  }
  edgeclip_session* get() const noexcept { return handle_.get(); }

 private:
  template <class Ask>
  std::vector<TensorInfo> infos(std::size_t count, Ask ask) const {
    std::vector<TensorInfo> list;
    for (std::size_t i = 0; i < count; ++i) {
      auto info = edgeclip_sized<edgeclip_tensor_info>();
      check(ask(get(), i, &info));
      list.push_back({info.name, info.dtype, info.rank >= 0,
                      info.rank > 0 ? Dims(info.dims, info.dims + info.rank) : Dims()});
    }
    return list;
  }

  detail::Owned<edgeclip_session, edgeclip_session_close> handle_;
};

/// An output of the last run: valid until the next.
struct Output {
  edgeclip_dtype dtype;
  Dims dims;
  const void* data;
  std::size_t bytes;

  /// Throws Error for another element type.
  template <class T>
  const T* as() const {
    if (dtype != detail::DTypeOf<T>::value)
      throw Error(EDGECLIP_INVALID_INPUT, "an output was asked for as another element type");
    return static_cast<const T*>(data);
  }
};

/// Runs a session: one thread at a time.
class Context {
 public:
  explicit Context(const Session& session) {
    edgeclip_context* made = nullptr;
    check(edgeclip_context_create(session.get(), &made));
    handle_.reset(made);
  }
  /// data must live as long as it is bound.
  template <class T>
  void bind(std::size_t input, const T* data, const Dims& dims) {
    std::size_t bytes = sizeof(T);
    for (const std::int64_t dim : dims) bytes *= static_cast<std::size_t>(dim);
    check(
        edgeclip_bind_input(get(), input, detail::DTypeOf<T>::value, dims.data(), dims.size(), data, bytes));
  }
  /// Room for an output, count elements of T.
  template <class T>
  void bind_output(std::size_t output, T* data, std::size_t count) {
    check(edgeclip_bind_output(get(), output, data, count * sizeof(T)));
  }
  void prepare() { check(edgeclip_prepare(get())); }
  void run() { check(edgeclip_run(get())); }
  Output output(std::size_t index) const {
    auto tensor = edgeclip_sized<edgeclip_tensor>();
    check(edgeclip_output(get(), index, &tensor));
    return {tensor.dtype, Dims(tensor.dims, tensor.dims + tensor.rank), tensor.data, tensor.bytes};
  }
  edgeclip_context* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<edgeclip_context, edgeclip_context_destroy> handle_;
};

}  // namespace abi1
}  // namespace edgeclip

#endif
