#include "engine/cpu/onednn.h"

#include <omp.h>

#include <new>
#include <utility>

#include "base/float16.h"
#include "base/mapped_file.h"

namespace edgeclip::engine {

SingleThreaded::SingleThreaded() : before_(omp_get_max_threads()) {
  if (before_ != 1) omp_set_num_threads(1);
}
SingleThreaded::~SingleThreaded() {
  if (before_ != 1) omp_set_num_threads(before_);
}

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::data_type onednn_type(DType dtype) {
  return dtype == DType::u8   ? dnnl::memory::data_type::u8
         : dtype == DType::i8 ? dnnl::memory::data_type::s8
                              : kF32;
}

std::optional<dnnl::memory::data_type> moved_as(DType dtype) {
  switch (dtype_size(dtype)) {
    case 1:
      return dnnl::memory::data_type::u8;
    case 4:
      return dnnl::memory::data_type::s32;
    default:
      return {};
  }
}

dnnl::memory::dims dense_strides(const dnnl::memory::dims& dims) {
  dnnl::memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

dnnl::memory::desc dense_desc(const dnnl::memory::dims& dims, dnnl::memory::data_type type) {
  return dnnl::memory::desc(dims, type, dense_strides(dims));
}

dnnl::memory::desc layout_desc(const dnnl::memory::dims& dims, Layout layout, dnnl::memory::data_type type) {
  if (layout == Layout::plain) return dense_desc(dims, type);
  dnnl::memory::dims strides(dims.size());
  std::int64_t stride = dims[1];
  for (std::size_t i = dims.size(); i-- > 2;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  strides[0] = stride;
  strides[1] = 1;
  return dnnl::memory::desc(dims, type, strides);
}

/// From the first element to behind the last one; the library's own size of columns counts the row's rest.
static std::size_t bytes_between(const dnnl::memory::desc& strided) {
  dnnl_dim_t last = 0;
  for (int d = 0; d < strided.data.ndims; ++d)
    last += (strided.data.dims[d] - 1) * strided.data.format_desc.blocking.strides[d];
  return static_cast<std::size_t>(last + 1) * dnnl::memory::data_type_size(strided.data_type());
}

dnnl::memory PackedWeights::get(const std::byte* constant, const dnnl::memory::desc& from,
                                const dnnl::memory::desc& to) {
  // oneDNN takes pointers to non-const throughout; sources are only read.
  void* const data = const_cast<std::byte*>(constant);
  if (from == to) return dnnl::memory(from, onednn_engine(), data);
  std::lock_guard lock(mutex_);
  return pack(constant, bytes_between(from), from, from, data, to);
}

dnnl::memory PackedWeights::get(const TensorView& constant, const dnnl::memory::desc& from,
                                const dnnl::memory::desc& to) {
  if (constant.dtype == DType::f32) return get(constant.data, from, to);
  std::lock_guard lock(mutex_);
  if (constant.dtype == DType::bf16 && to.data_type() == dnnl::memory::data_type::bf16) {
    dnnl::memory::desc narrow = from;
    narrow.data.data_type = dnnl_bf16;
    return pack(constant.data, constant.bytes(), from, narrow, const_cast<std::byte*>(constant.data), to);
  }
  const Tensor wide = widened(constant);  // packed right away: it need not stay
  return pack(constant.data, constant.bytes(), from, from, const_cast<std::byte*>(wide.raw()), to);
}

/// key, bytes: the constant itself.  described: what it is known as.  from, data: what is reordered.
dnnl::memory PackedWeights::pack(const std::byte* key, std::size_t bytes, const dnnl::memory::desc& described,
                                 const dnnl::memory::desc& from, void* data, const dnnl::memory::desc& to) {
  const auto [first, last] = entries_.equal_range(key);
  for (auto it = first; it != last; ++it)
    if (it->second.from == described && it->second.to == to) return it->second.packed;
  dnnl::memory source(from, onednn_engine(), data);
  dnnl::memory packed(to, onednn_engine());
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(source, packed).execute(stream, source, packed);
  stream.wait();
  entries_.emplace(key, Entry{described, to, packed});
  bytes_ += to.get_size();
  drop_mapped_pages(key, bytes);  // the copy is what is used from now on
  return packed;
}

std::optional<dnnl::memory::desc> PackedWeights::existing(const std::byte* constant,
                                                          const dnnl::memory::desc& from) const {
  std::lock_guard lock(mutex_);
  const auto [first, last] = entries_.equal_range(constant);
  for (auto it = first; it != last; ++it)
    if (it->second.from == from) return it->second.to;
  return {};
}

std::size_t PackedWeights::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

dnnl::primitive_attr onednn_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

OneDnnCall::OneDnnCall(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
                       const char* implementation, Scratch& scratch)
    : primitive_(primitive),
      stream_(onednn_engine()),
      scratch_(scratch),
      implementation_(std::string("onednn:") + implementation) {
  if (scratchpad.get_size() == 0) return;
  scratch.reserve(scratchpad.get_size());
  scratchpad_ = bind(DNNL_ARG_SCRATCHPAD, scratchpad);
}

void append_activation(dnnl::post_ops& post, Activation activation) {
  using dnnl::algorithm;
  const float alpha = activation.alpha, beta = activation.beta;
  switch (activation.kind) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return post.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
    case Activation::kClip:
      return post.append_eltwise(1, algorithm::eltwise_clip, alpha, beta);
    case Activation::kLeakyRelu:
      return post.append_eltwise(1, algorithm::eltwise_relu, alpha, 0);
    case Activation::kSigmoid:
      return post.append_eltwise(1, algorithm::eltwise_logistic, 0, 0);
    case Activation::kHardSigmoid:  // it has none of its own
      post.append_eltwise(1, algorithm::eltwise_linear, alpha, beta);
      return post.append_eltwise(1, algorithm::eltwise_clip, 0, 1);
    case Activation::kHardSwish:
      return post.append_eltwise(1, algorithm::eltwise_hardswish, 0, 0);
    case Activation::kSwish:
      return post.append_eltwise(1, algorithm::eltwise_swish, alpha, 0);
    case Activation::kTanh:
      return post.append_eltwise(1, algorithm::eltwise_tanh, 0, 0);
    case Activation::kGelu:
      return post.append_eltwise(1, algorithm::eltwise_gelu_erf, 0, 0);
    case Activation::kGeluTanh:
      return post.append_eltwise(1, algorithm::eltwise_gelu_tanh, 0, 0);
    case Activation::kQuickGelu:
      return post.append_eltwise(1, algorithm::eltwise_swish, 1.702f, 0);
  }
}

void OneDnnCall::bind(int argument, const dnnl::memory& memory) {
  memories_.push_back(memory);
  arguments_.push_back({argument, memory.get()});
}

std::size_t OneDnnCall::bind(int argument, const dnnl::memory::desc& desc) {
  bind(argument, dnnl::memory(desc, onednn_engine(), DNNL_MEMORY_NONE));
  return memories_.size() - 1;
}

void OneDnnCall::set(std::size_t index, const std::byte* data) {
  memories_[index].set_data_handle(const_cast<std::byte*>(data));
}

void OneDnnCall::run(std::byte* scratchpad) {
  const SingleThreaded single;
  if (scratchpad_) set(*scratchpad_, scratchpad);
  const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), stream_.get(),
                                                      static_cast<int>(arguments_.size()), arguments_.data());
  if (status == dnnl_out_of_memory) throw std::bad_alloc();
  EDGECLIP_CHECK(status == dnnl_success, "{} failed with status {}", implementation_,
                 static_cast<int>(status));
}

}  // namespace edgeclip::engine
