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
  std::uint64_t begin, end;
  std::string name;
};

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path.string()) {
  const MappedFile mapped(path);
  std::uint64_t header_size = 0;
  if (mapped.size() < 8) invalid_input("{}: truncated: a safetensors file has at least 8 bytes", file_);
  std::memcpy(&header_size, mapped.data(), 8);
  if (header_size > kMaxHeader || header_size > mapped.size() - 8)
    invalid_input("{}: truncated or not safetensors: its header claims {} bytes, the file has {}", file_,
                  header_size, mapped.size());
  const char* text = reinterpret_cast<const char*>(mapped.data()) + 8;
  bool duplicate = false;
  std::vector<std::vector<std::string>> keys;
  Json header;
  try {
    header = Json::parse(text, text + header_size, [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (depth == 0 && event == Json::parse_event_t::object_start) keys.emplace_back();
      if (depth == 1 && event == Json::parse_event_t::key && !keys.empty())
        keys.back().push_back(parsed.get<std::string>());
      return depth < 8;
    });
  } catch (const nlohmann::json::exception&) {
    invalid_input("{}: the safetensors header is not valid JSON", file_);
  }
  if (!header.is_object()) invalid_input("{}: the safetensors header is not a JSON object", file_);
  if (!keys.empty()) {
    std::sort(keys[0].begin(), keys[0].end());
    duplicate = std::adjacent_find(keys[0].begin(), keys[0].end()) != keys[0].end();
  }
  if (duplicate) invalid_input("{}: the safetensors header names a tensor twice", file_);

  const std::byte* data = mapped.data() + 8 + header_size;
  const std::uint64_t data_size = mapped.size() - 8 - header_size;
  std::vector<Entry> entries;
  for (const auto& [name, item] : header.items()) {
    const std::string where = fmt::format("{}: tensor \"{}\"", file_, name);
    if (name == "__metadata__") {
      if (!item.is_object()) invalid_input("{}: __metadata__ is not an object", file_);
      for (const auto& [key, value] : item.items())
        if (value.is_string()) metadata_[key] = value.get<std::string>();
      continue;
    }
    const auto kind = json_get<std::string>(item, "dtype", where);
    const auto known =
        std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return kind == k.text; });
    if (known == std::end(kKinds)) invalid_input("{}: type {} is unknown", where, kind);
    const auto numbers = [&](const char* key) {
      const Json& list = json_at(item, key, where);
      Shape out;
      if (!list.is_array()) invalid_input("{}: \"{}\" must be a list of integers", where, key);
      for (const auto& v : list) {
        if (!v.is_number_unsigned() || v.get<std::uint64_t>() > (std::uint64_t{1} << 62))
          invalid_input("{}: \"{}\" must be a list of integers >= 0", where, key);
        out.push_back(static_cast<std::int64_t>(v.get<std::uint64_t>()));
      }
      return out;
    };
    const Shape shape = numbers("shape"), offsets = numbers("data_offsets");
    std::uint64_t count = 0;
    if (offsets.size() != 2 || offsets[0] > offsets[1] || static_cast<std::uint64_t>(offsets[1]) > data_size)
      invalid_input("{}: its data lies outside the file ({} bytes of data); the file is truncated or damaged",
                    where, data_size);
    if (shape.size() > 32 || !checked_num_elements(shape, &count) ||
        count * dtype_size(known->dtype) != static_cast<std::uint64_t>(offsets[1] - offsets[0]))
      invalid_input("{}: shape {} of {} does not fill its {} bytes", where, shape_string(shape), kind,
                    offsets[1] - offsets[0]);
    const std::byte* begin = data + offsets[0];
    Tensor tensor(known->dtype, shape, std::shared_ptr<const std::byte>(mapped.owner(), begin));
    if (reinterpret_cast<std::uintptr_t>(begin) % dtype_size(known->dtype) != 0) {
      Tensor aligned(known->dtype, shape);
      std::memcpy(aligned.raw(), begin, aligned.bytes());
      tensor = aligned;
    }
    tensors_.emplace(name, std::move(tensor));
    entries.push_back({static_cast<std::uint64_t>(offsets[0]), static_cast<std::uint64_t>(offsets[1]), name});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t position = 0;
  for (const auto& entry : entries) {
    if (entry.begin != position)
      invalid_input("{}: tensor \"{}\" overlaps its neighbour or leaves a hole", file_, entry.name);
    position = entry.end;
    names_.push_back(entry.name);
  }
  if (position != data_size)
    invalid_input("{}: {} bytes of data belong to no tensor; the file is damaged", file_,
                  data_size - position);
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
                                   [&](const Kind& k) { return k.dtype == tensor.dtype(); });
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
