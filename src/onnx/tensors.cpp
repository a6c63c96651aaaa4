#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/io_error.h"
#include "base/mapped_file.h"
#include "onnx/graph_builder.h"

/// TensorProto to and from our tensors: types, inline data in either of ONNX's two forms, external data.
namespace edgeclip::onnx_ir {

namespace fs = std::filesystem;
using ::onnx::TensorProto;

namespace {

struct Pair {
  DType dtype;
  int onnx;
};
constexpr Pair kTypes[] = {{DType::f32, TensorProto::FLOAT},   {DType::f64, TensorProto::DOUBLE},
                           {DType::f16, TensorProto::FLOAT16}, {DType::bf16, TensorProto::BFLOAT16},
                           {DType::i8, TensorProto::INT8},     {DType::u8, TensorProto::UINT8},
                           {DType::i16, TensorProto::INT16},   {DType::u16, TensorProto::UINT16},
                           {DType::i32, TensorProto::INT32},   {DType::u32, TensorProto::UINT32},
                           {DType::i64, TensorProto::INT64},   {DType::u64, TensorProto::UINT64},
                           {DType::boolean, TensorProto::BOOL}};

/// Elements of a typed field (float_data, int32_data, ...), each cast to the tensor's own type.
template <class T, class Field>
Tensor from_field(DType dtype, const Shape& shape, std::uint64_t count, const Field& field,
                  const std::string& where) {
  if (static_cast<std::uint64_t>(field.size()) != count)
    invalid_input("{}: has {} values, its shape {} needs {}", where, field.size(), shape_string(shape),
                  count);
  Tensor tensor(dtype, shape);
  std::byte* out = tensor.raw();
  for (const auto value : field) {
    const T element = static_cast<T>(value);
    std::memcpy(out, &element, sizeof element);
    out += sizeof element;
  }
  return tensor;
}

std::uint64_t parse_number(const std::string& text, const char* key, const std::string& where) {
  const bool digits = !text.empty() && text.size() <= 18 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) invalid_input("{}: external data: {} \"{}\" is not a number", where, key, text);
  return std::stoull(text);
}

Tensor read_external(const TensorProto& proto, DType dtype, const Shape& shape, std::uint64_t bytes,
                     const fs::path& folder, const std::string& where) {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_number(entry.value(), "offset", where);
    if (entry.key() == "length") length = parse_number(entry.value(), "length", where);
  }
  if (location.empty()) invalid_input("{}: external data has no location", where);
  // Links are resolved before the comparison: what counts is the file that would be read.
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder.empty() ? fs::path(".") : folder, error);
  const fs::path path = error ? fs::path() : fs::weakly_canonical(root / location, error);
  const fs::path relative = path.lexically_relative(root);
  if (error || fs::path(location).is_absolute() || relative.empty() || *relative.begin() == "..")
    invalid_input("{}: external data \"{}\" lies outside the model's folder", where, location);
  if (file_type_at(path) == fs::file_type::not_found)
    invalid_input("{}: external data \"{}\" is missing: {} is not there; copy it beside the model", where,
                  location, path.string());
  const MappedFile mapped(path);
  if (length && *length != bytes)
    invalid_input("{}: external data has length {}, shape {} needs {}", where, *length, shape_string(shape),
                  bytes);
  if (offset > mapped.size() || bytes > mapped.size() - offset)
    invalid_input("{}: external data needs bytes {} to {} of {}, which has {}", where, offset, offset + bytes,
                  path.string(), mapped.size());
  Tensor tensor(dtype, shape);
  if (bytes > 0) std::memcpy(tensor.raw(), mapped.data() + offset, bytes);
  return tensor;
}

}  // namespace

DType dtype_from_onnx(int onnx_type, const std::string& where) {
  for (const auto& pair : kTypes)
    if (pair.onnx == onnx_type) return pair.dtype;
  const bool known = ::onnx::TensorProto_DataType_IsValid(onnx_type);
  invalid_input("{}: element type {} is not supported", where,
                known
                    ? ::onnx::TensorProto_DataType_Name(static_cast<::onnx::TensorProto_DataType>(onnx_type))
                    : std::to_string(onnx_type));
}

int dtype_to_onnx(DType dtype) {
  for (const auto& pair : kTypes)
    if (pair.dtype == dtype) return pair.onnx;
  EDGECLIP_CHECK(false, "type {}", dtype_name(dtype));
  return 0;
}

void tensor_to_proto(const TensorView& tensor, const std::string& name, TensorProto* proto) {
  proto->set_name(name);
  proto->set_data_type(dtype_to_onnx(tensor.dtype));
  proto->clear_dims();
  for (const auto d : tensor.shape) proto->add_dims(d);
  proto->set_raw_data(tensor.data, tensor.bytes());
}

Tensor tensor_from_proto(const TensorProto& proto, const fs::path& folder, const std::string& where) {
  const DType dtype = dtype_from_onnx(proto.data_type(), where);
  const Shape shape(proto.dims().begin(), proto.dims().end());
  std::uint64_t count = 0;
  const bool sane = std::all_of(shape.begin(), shape.end(), [](std::int64_t d) { return d >= 0; });
  if (!sane || !checked_num_elements(shape, &count) || count > (std::uint64_t{1} << 56))
    invalid_input("{}: shape {} is not that of a tensor", where, shape_string(shape));
  const std::uint64_t bytes = count * dtype_size(dtype);
  if (proto.has_segment()) invalid_input("{}: data in segments is not supported", where);
  if (proto.data_location() == TensorProto::EXTERNAL)
    return read_external(proto, dtype, shape, bytes, folder, where);
  if (proto.has_raw_data()) {
    const std::string& raw = proto.raw_data();
    if (raw.size() != bytes)
      invalid_input("{}: has {} bytes of data, its shape {} needs {}", where, raw.size(), shape_string(shape),
                    bytes);
    Tensor tensor(dtype, shape);
    if (bytes > 0) std::memcpy(tensor.raw(), raw.data(), bytes);
    return tensor;
  }
  switch (dtype) {
    case DType::f32:
      return from_field<float>(dtype, shape, count, proto.float_data(), where);
    case DType::f64:
      return from_field<double>(dtype, shape, count, proto.double_data(), where);
    case DType::i64:
      return from_field<std::int64_t>(dtype, shape, count, proto.int64_data(), where);
    case DType::u64:
      return from_field<std::uint64_t>(dtype, shape, count, proto.uint64_data(), where);
    case DType::u32:
      return from_field<std::uint32_t>(dtype, shape, count, proto.uint64_data(), where);
    case DType::i32:
      return from_field<std::int32_t>(dtype, shape, count, proto.int32_data(), where);
    case DType::i16:
      return from_field<std::int16_t>(dtype, shape, count, proto.int32_data(), where);
    case DType::i8:
      return from_field<std::int8_t>(dtype, shape, count, proto.int32_data(), where);
    case DType::u8:
      return from_field<std::uint8_t>(dtype, shape, count, proto.int32_data(), where);
    case DType::boolean:
      return from_field<bool>(dtype, shape, count, proto.int32_data(), where);
    // 16-bit floats are stored as the bits of a uint16.
    case DType::u16:
    case DType::f16:
    case DType::bf16:
      return from_field<std::uint16_t>(dtype, shape, count, proto.int32_data(), where);
  }
  EDGECLIP_CHECK(false, "type {}", dtype_name(dtype));
  return {};
}

}  // namespace edgeclip::onnx_ir
