#include "base/safetensors.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/atomic_output.h"
#include "base/json.h"

namespace edgeclip {

namespace {

struct Kind {
  const char* text;
  DType dtype;
};
constexpr Kind kKinds[] = {{"F32", DType::f32},     {"F64", DType::f64}, {"F16", DType::f16},
                           {"BF16", DType::bf16},   {"I8", DType::i8},   {"U8", DType::u8},
                           {"I16", DType::i16},     {"U16", DType::u16}, {"I32", DType::i32},
                           {"U32", DType::u32},     {"I64", DType::i64}, {"U64", DType::u64},
                           {"BOOL", DType::boolean}};
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's own limit

struct Entry {
  std::string name;
  std::uint64_t begin, end;  ///< of the data, from its first byte
  DType dtype;
  Shape shape;
};

using Header = nlohmann::json;  ///< sorted: Json would look every key up in a list, quadratic in the tensors

/// The JSON object at the start, its keys each there once.  header_bytes: as the file claims, checked.
Header parse_header(const MappedFile& mapped, const std::string& file, std::uint64_t* header_bytes) {
  if (mapped.size() < 8) invalid_input("{}: truncated: a safetensors file has at least 8 bytes", file);
  std::memcpy(header_bytes, mapped.data(), 8);
  if (*header_bytes > kMaxHeader || *header_bytes > mapped.size() - 8)
    invalid_input("{}: truncated or not safetensors: its header claims {} bytes, the file has {}", file,
                  *header_bytes, mapped.size());
  const char* text = reinterpret_cast<const char*>(mapped.data()) + 8;
  std::vector<std::string> keys;
  Header header;
  try {
    header = Header::parse(text, text + *header_bytes,
                           [&](int depth, Header::parse_event_t event, Header& parsed) {
                             if (depth == 1 && event == Header::parse_event_t::key)
                               keys.push_back(parsed.get<std::string>());
                             return depth < 8;
                           });
  } catch (const nlohmann::json::exception&) {
    invalid_input("{}: the safetensors header is not valid JSON", file);
  }
  if (!header.is_object()) invalid_input("{}: the safetensors header is not a JSON object", file);
  std::sort(keys.begin(), keys.end());
  if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
    invalid_input("{}: the safetensors header names tensor \"{}\" twice", file, *twice);
  return header;
}

Shape read_numbers(const Json& item, const char* key, const std::string& where) {
  const Json& list = json_at(item, key, where);
  Shape numbers;
  if (!list.is_array()) invalid_input("{}: \"{}\" must be a list of integers", where, key);
  for (const auto& v : list) {
    if (!v.is_number_unsigned() || v.get<std::uint64_t>() > (std::uint64_t{1} << 62))
      invalid_input("{}: \"{}\" must be a list of integers >= 0", where, key);
    numbers.push_back(static_cast<std::int64_t>(v.get<std::uint64_t>()));
  }
  return numbers;
}

/// One tensor of the header: its data lies in the file and is as long as its shape needs.
Entry read_entry(const std::string& name, const Json& item, std::uint64_t data_bytes,
                 const std::string& where) {
  const auto text = json_get<std::string>(item, "dtype", where);
  const auto kind =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return text == k.text; });
  if (kind == std::end(kKinds)) invalid_input("{}: type {} is unknown", where, text);
  const Shape shape = read_numbers(item, "shape", where), offsets = read_numbers(item, "data_offsets", where);
  std::uint64_t count = 0;
  if (offsets.size() != 2 || offsets[0] > offsets[1] || static_cast<std::uint64_t>(offsets[1]) > data_bytes)
    invalid_input("{}: its data lies outside the file ({} bytes of data); the file is truncated or damaged",
                  where, data_bytes);
  if (shape.size() > 32 || !checked_num_elements(shape, &count) ||
      count * dtype_size(kind->dtype) != static_cast<std::uint64_t>(offsets[1] - offsets[0]))
    invalid_input("{}: shape {} of {} does not fill its {} bytes", where, shape_string(shape), text,
                  offsets[1] - offsets[0]);
  return {name, static_cast<std::uint64_t>(offsets[0]), static_cast<std::uint64_t>(offsets[1]), kind->dtype,
          shape};
}

/// Sorts by place; refuses overlaps, holes and data of no tensor.
void check_coverage(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t position = 0;
  for (const auto& entry : entries) {
    if (entry.begin != position)
      invalid_input("{}: tensor \"{}\" overlaps its neighbour or leaves a hole", file, entry.name);
    position = entry.end;
  }
  if (position != data_bytes)
    invalid_input("{}: {} bytes of data belong to no tensor; the file is damaged", file,
                  data_bytes - position);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path.string()) {
  const MappedFile mapped(path);
  std::uint64_t header_bytes = 0;
  const Header header = parse_header(mapped, file_, &header_bytes);
  const std::byte* data = mapped.data() + 8 + header_bytes;
  const std::uint64_t data_bytes = mapped.size() - 8 - header_bytes;
  std::vector<Entry> entries;
  for (const auto& [name, item] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(read_entry(name, item, data_bytes, fmt::format("{}: tensor \"{}\"", file_, name)));
      continue;
    }
    if (!item.is_object()) invalid_input("{}: __metadata__ is not an object", file_);
    for (const auto& [key, value] : item.items())
      if (value.is_string()) metadata_[key] = value.get<std::string>();
  }
  check_coverage(entries, data_bytes, file_);
  for (const auto& entry : entries) {
    const std::byte* begin = data + entry.begin;
    Tensor tensor(entry.dtype, entry.shape, std::shared_ptr<const std::byte>(mapped.owner(), begin));
    if (reinterpret_cast<std::uintptr_t>(begin) % dtype_size(entry.dtype) != 0) {
      Tensor aligned(entry.dtype, entry.shape);
      std::memcpy(aligned.raw(), begin, aligned.bytes());
      tensor = aligned;
    }
    tensors_.emplace(entry.name, std::move(tensor));
    names_.push_back(entry.name);
  }
}

Tensor SafetensorsFile::get(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) invalid_input("{}: tensor \"{}\" is missing", file_, name);
  return it->second;
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    EDGECLIP_CHECK(!header.contains(name), "tensor {} twice", name);
    const auto kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                   [dtype = tensor.dtype()](const Kind& k) { return k.dtype == dtype; });
    EDGECLIP_CHECK(kind != std::end(kKinds));
    header[name] = {{"dtype", kind->text},
                    {"shape", tensor.shape()},
                    {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  AtomicFile out(path);
  out.write(&size, 8);
  out.write(text);
  for (const auto& [name, tensor] : tensors) out.write(tensor.raw(), tensor.bytes());
  out.commit();
}

}  // namespace edgeclip
