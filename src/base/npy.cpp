#include "base/npy.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/atomic_output.h"
#include "base/mapped_file.h"
#include "base/utf8.h"

namespace edgeclip {

namespace {

struct Descr {
  const char* text;
  DType dtype;
};
constexpr Descr kDescr[] = {{"<f4", DType::f32},  {"<f8", DType::f64},    {"<f2", DType::f16},
                            {"<V2", DType::bf16}, {"|V2", DType::bf16},   {"|i1", DType::i8},
                            {"|u1", DType::u8},   {"<i2", DType::i16},    {"<u2", DType::u16},
                            {"<i4", DType::i32},  {"<u4", DType::u32},    {"<i8", DType::i64},
                            {"<u8", DType::u64},  {"|b1", DType::boolean}};

/// The value after 'key': in the header's Python dictionary, up to the end of the text.
std::string_view value_of(std::string_view header, const char* key, const std::string& file) {
  const auto at = header.find(std::string("'") + key + "'");
  const auto colon = at == std::string_view::npos ? at : header.find(':', at);
  if (colon == std::string_view::npos)
    invalid_input("{}: .npy header has no '{}'; write it again with numpy.save", file, key);
  auto rest = header.substr(colon + 1);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

Tensor parse(const std::filesystem::path& path, bool copy) {
  const std::string file = path.string();
  const MappedFile mapped(path);
  const auto* p = reinterpret_cast<const unsigned char*>(mapped.data());
  if (mapped.size() < 10 || std::memcmp(p, "\x93NUMPY", 6) != 0)
    invalid_input("{}: is not a .npy file (wrong first bytes)", file);
  const int major = p[6];
  if (major < 1 || major > 3) invalid_input("{}: .npy version {} is unknown (1 to 3 are read)", file, major);
  const std::size_t prefix = major == 1 ? 10 : 12;
  if (mapped.size() < prefix) invalid_input("{}: truncated .npy header", file);
  std::size_t length = p[8] | std::size_t{p[9]} << 8;
  if (major > 1) length |= std::size_t{p[10]} << 16 | std::size_t{p[11]} << 24;
  if (length > mapped.size() - prefix) invalid_input("{}: truncated .npy header", file);
  const std::string_view header(reinterpret_cast<const char*>(p) + prefix, length);

  const auto descr = value_of(header, "descr", file);
  DType dtype = DType::f32;
  bool known = false;
  for (const auto& d : kDescr)
    if (descr.size() > 4 && descr.substr(1, 3) == d.text && (descr[4] == '\'' || descr[4] == '"'))
      dtype = d.dtype, known = true;
  if (!known)
    invalid_input("{}: .npy type {} is not read (numbers and bool, little endian)", file,
                  std::string(descr.substr(0, descr.find(','))));
  if (value_of(header, "fortran_order", file).substr(0, 4) == "True")
    invalid_input("{}: array is in Fortran order; save numpy.ascontiguousarray(a)", file);

  auto rest = value_of(header, "shape", file);
  const auto close = rest.find(')');
  if (rest.empty() || rest[0] != '(' || close == std::string_view::npos)
    invalid_input("{}: .npy header has a malformed shape", file);
  rest = rest.substr(1, close - 1);
  Shape shape;
  std::uint64_t value = 0;
  bool digits = false;
  for (std::size_t i = 0; i <= rest.size(); ++i) {
    const char c = i < rest.size() ? rest[i] : ',';
    if (c >= '0' && c <= '9') {
      digits = true;
      if (value > (std::uint64_t{1} << 56)) invalid_input("{}: .npy shape is too large", file);
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    } else if (c == ',') {
      if (digits) shape.push_back(static_cast<std::int64_t>(value));
      value = 0;
      digits = false;
    } else if (c != ' ') {
      invalid_input("{}: .npy header has a malformed shape", file);
    }
  }
  std::uint64_t count = 0;
  if (shape.size() > 16 || !checked_num_elements(shape, &count))
    invalid_input("{}: .npy shape is too large", file);
  const std::size_t available = mapped.size() - prefix - length;
  if (count > available / dtype_size(dtype))
    invalid_input("{}: truncated: {} of {} need {} bytes, {} are there", file, shape_string(shape),
                  dtype_name(dtype), count * dtype_size(dtype), available);
  const std::byte* data = mapped.data() + prefix + length;
  // The owner pointer keeps the mapping alive; numpy aligns the data to 64 bytes itself, others may not.
  if (!copy && reinterpret_cast<std::uintptr_t>(data) % dtype_size(dtype) == 0)
    return Tensor(dtype, shape, std::shared_ptr<const std::byte>(mapped.owner(), data));
  Tensor tensor(dtype, shape);
  if (count > 0) std::memcpy(tensor.raw(), data, tensor.bytes());
  return tensor;
}

void write_header(AtomicFile& out, const std::string& descr, const Shape& shape) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape_string(shape) + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  const unsigned char prefix[10] = {0x93,
                                    'N',
                                    'U',
                                    'M',
                                    'P',
                                    'Y',
                                    1,
                                    0,
                                    static_cast<unsigned char>(header.size() & 255),
                                    static_cast<unsigned char>(header.size() >> 8)};
  out.write(prefix, sizeof prefix);
  out.write(header);
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) { return parse(path, true); }
Tensor map_npy(const std::filesystem::path& path) { return parse(path, false); }

void write_npy_head(AtomicFile& out, DType dtype, const Shape& shape) {
  const auto* descr = std::find_if(std::begin(kDescr), std::end(kDescr), [&](const Descr& d) { return d.dtype == dtype; });
  EDGECLIP_CHECK(descr != std::end(kDescr), "NumPy has no {}", dtype_name(dtype));
  write_header(out, descr->text, shape);
}

void write_npy(AtomicFile& out, const TensorView& tensor) {
  write_npy_head(out, tensor.dtype, tensor.shape);
  out.write(tensor.data, tensor.bytes());
}

void write_npy(const std::filesystem::path& path, const TensorView& tensor) {
  AtomicFile out(path);
  write_npy(out, tensor);
  out.commit();
}

void write_npy_strings(const std::filesystem::path& path, const std::vector<std::string>& strings) {
  std::vector<std::u32string> rows;
  std::size_t width = 1;
  for (const auto& s : strings) width = std::max(width, rows.emplace_back(utf8_to_utf32(s)).size());
  AtomicFile out(path);
  write_header(out, fmt::format("<U{}", width), {static_cast<std::int64_t>(strings.size())});
  for (auto& row : rows) {
    row.resize(width, U'\0');
    out.write(row.data(), row.size() * sizeof(char32_t));
  }
  out.commit();
}

}  // namespace edgeclip
