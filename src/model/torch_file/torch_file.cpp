#include "model/torch_file/torch_file.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "model/torch_file/pickle.h"
#include "model/torch_file/zip_archive.h"

namespace edgeclip {

namespace {

constexpr std::string_view kZipMagic = "PK\x03\x04";
/// 0x1950a86a20f9469cfc6c as a pickle of protocol 2: the first bytes of the form before the zip.
constexpr std::string_view kLegacyMagic = {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e",
                                           15};
constexpr int kDeepest = 64;
constexpr std::size_t kMostTensors = 1'000'000;

std::string_view view_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

/// Where a storage's bytes lie; keeps them alive.
struct Storage {
  std::shared_ptr<const std::byte> owner;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// Collects tensors below a value under dotted names.
class Collector {
 public:
  Collector(const std::string& file, std::vector<std::pair<std::string, TensorRef>>& out)
      : file_(file), out_(out) {}

  void visit(const PickleValue& value, const std::string& name, int depth) {
    if (depth > kDeepest)
      invalid_input("{}: its values are nested more than {} deep; it holds no weights", file_, kDeepest);
    if (++visited_ > 50 * kMostTensors)
      invalid_input("{}: holds too many values; it holds no weights", file_);
    switch (value.kind) {
      case PickleValue::Kind::kTensor:
        if (out_.size() >= kMostTensors) invalid_input("{}: holds over {} tensors", file_, kMostTensors);
        out_.emplace_back(name, value.tensor);
        break;
      case PickleValue::Kind::kDict:
      case PickleValue::Kind::kObject:
        for (const auto& [key, inner] : value.entries)
          if (key->kind == PickleValue::Kind::kText)
            visit(*inner, join(name, key->text), depth + 1);
          else if (key->kind == PickleValue::Kind::kInt)
            visit(*inner, join(name, std::to_string(key->integer)), depth + 1);
        break;
      case PickleValue::Kind::kList:
      case PickleValue::Kind::kTuple:
        for (std::size_t i = 0; i < value.items.size(); ++i)
          visit(*value.items[i], join(name, std::to_string(i)), depth + 1);
        break;
      default:
        break;
    }
  }

 private:
  static std::string join(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + "." + key;
  }

  const std::string& file_;
  std::vector<std::pair<std::string, TensorRef>>& out_;
  std::size_t visited_ = 0;
};

/// Elements from the first to the last one of a view, or false if they are more than `available`.
bool lies_within(const TensorRef& tensor, std::uint64_t available) {
  std::uint64_t last = tensor.offset;
  for (std::size_t d = 0; d < tensor.sizes.size(); ++d) {
    if (tensor.sizes[d] == 0) return tensor.offset <= available;
    std::uint64_t step = 0;
    if (__builtin_mul_overflow(tensor.sizes[d] - 1, tensor.strides[d], &step) ||
        __builtin_add_overflow(last, step, &last))
      return false;
  }
  return last < available;
}

/// Copies a strided view, last dimension innermost, into dense memory.
void copy_strided(const std::byte* base, const TensorRef& tensor, std::size_t size, std::byte* out) {
  std::vector<std::uint64_t> at(tensor.sizes.size(), 0);
  const std::size_t rank = at.size();
  const std::uint64_t inner = rank == 0 ? 1 : tensor.sizes[rank - 1],
                      stride = rank == 0 ? 1 : tensor.strides[rank - 1];
  while (true) {
    std::uint64_t start = tensor.offset;
    for (std::size_t d = 0; d + 1 < rank; ++d) start += at[d] * tensor.strides[d];
    if (stride == 1) {
      std::memcpy(out, base + start * size, inner * size);
      out += inner * size;
    } else {
      for (std::uint64_t i = 0; i < inner; ++i, out += size)
        std::memcpy(out, base + (start + i * stride) * size, size);
    }
    std::size_t d = rank < 2 ? 0 : rank - 1;
    while (d > 0 && ++at[d - 1] == tensor.sizes[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace

struct TorchFile::State {
  std::string file;
  MappedFile mapped;
  std::unique_ptr<ZipArchive> zip;
  std::string record_prefix;                ///< zip: in front of a storage's key
  std::map<std::string, Storage> storages;  ///< legacy
  std::vector<std::string> names;
  std::map<std::string, TensorRef> tensors;
  mutable std::string last_key;  ///< zip: the storage read last, which the next tensor often shares
  mutable Storage last_storage;

  void open_zip();
  void open_legacy();
  void collect(const PickleValue& root);
  Storage storage_of(const TensorRef& tensor, const std::string& name) const;
};

void TorchFile::State::collect(const PickleValue& root) {
  std::vector<std::pair<std::string, TensorRef>> found;
  Collector(file, found).visit(root, "", 0);
  if (found.empty()) invalid_input("{}: holds no tensors; give the file with the weights", file);
  for (auto& [name, tensor] : found) {
    if (!tensors.emplace(name, std::move(tensor)).second)
      invalid_input("{}: two tensors are named \"{}\"", file, name);
    names.push_back(name);
  }
}

void TorchFile::State::open_zip() {
  zip = std::make_unique<ZipArchive>(mapped, file);
  std::string pickle;
  for (const auto& record : zip->names()) {
    constexpr std::string_view kPickle = "data.pkl";
    if (record.size() < kPickle.size() ||
        record.compare(record.size() - kPickle.size(), kPickle.size(), kPickle) != 0)
      continue;
    record_prefix = record.substr(0, record.size() - kPickle.size()) + "data/";
    pickle = record;
  }
  if (pickle.empty()) invalid_input("{}: is a zip without data.pkl, so none that PyTorch wrote", file);
  const std::string order = record_prefix.substr(0, record_prefix.size() - 5) + "byteorder";
  if (zip->contains(order) && zip->read(order).view() != "little")
    invalid_input("{}: was written on a big-endian machine, which is not read; convert it there", file);
  const ZipArchive::Record bytes = zip->read(pickle);
  std::string_view rest = bytes.view();
  const Pickle parsed(&rest, file);
  collect(parsed.root());
}

/// Pickles of the magic number, the protocol's version, the system, the object and the list of storage keys;
/// then each storage: its number of elements (int64) and its bytes.
void TorchFile::State::open_legacy() {
  std::string_view rest = view_of(mapped);
  { const Pickle magic(&rest, file); }
  { const Pickle version(&rest, file); }
  { const Pickle system(&rest, file); }
  const Pickle object(&rest, file);
  const Pickle keys(&rest, file);
  collect(object.root());
  std::map<std::string, DType> types;
  for (const auto& [name, tensor] : tensors) types[tensor.storage.key] = tensor.storage.dtype;
  for (const auto* key : keys.root().items) {
    const auto type = types.find(key->text);
    std::int64_t elements = 0;
    // A storage of no tensor here cannot be measured: what follows it is lost.
    if (type == types.end() || rest.size() < sizeof elements)
      invalid_input("{}: is cut off in its storages; copy it again", file);
    std::memcpy(&elements, rest.data(), sizeof elements);
    rest.remove_prefix(sizeof elements);
    const std::size_t size = dtype_size(type->second);
    if (elements < 0 || static_cast<std::uint64_t>(elements) > rest.size() / size)
      invalid_input("{}: is cut off in its storages; copy it again", file);
    const std::size_t bytes = static_cast<std::size_t>(elements) * size;
    storages[key->text] = {mapped.owner(), reinterpret_cast<const std::byte*>(rest.data()), bytes};
    rest.remove_prefix(bytes);
  }
}

Storage TorchFile::State::storage_of(const TensorRef& tensor, const std::string& name) const {
  if (!zip) {
    const auto found = storages.find(tensor.storage.key);
    if (found == storages.end())
      invalid_input("{}: tensor \"{}\": its storage is missing; copy it again", file, name);
    return found->second;
  }
  const std::string record = record_prefix + tensor.storage.key;
  if (!zip->contains(record))
    invalid_input("{}: tensor \"{}\": its record {} is missing; copy it again", file, name, record);
  if (last_key != tensor.storage.key || last_storage.owner == nullptr) {
    const ZipArchive::Record bytes = zip->read(record);
    last_storage = {bytes.owner, bytes.data, bytes.size};
    last_key = tensor.storage.key;
  }
  return last_storage;
}

TorchFile::TorchFile(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  require_file(path, "PyTorch file");
  state_->file = path.string();
  state_->mapped = MappedFile(path);
  const std::string_view head = view_of(state_->mapped);
  if (head.substr(0, kZipMagic.size()) == kZipMagic)
    state_->open_zip();
  else if (head.substr(0, kLegacyMagic.size()) == kLegacyMagic)
    state_->open_legacy();
  else
    invalid_input("{}: is no file of PyTorch (neither its zip nor the form before it)", state_->file);
}

TorchFile::~TorchFile() = default;
TorchFile::TorchFile(TorchFile&&) noexcept = default;

const std::vector<std::string>& TorchFile::names() const { return state_->names; }
const std::string& TorchFile::file() const { return state_->file; }

Tensor TorchFile::get(const std::string& name) const {
  const auto found = state_->tensors.find(name);
  if (found == state_->tensors.end()) invalid_input("{}: has no tensor \"{}\"", state_->file, name);
  const TensorRef& tensor = found->second;
  const std::size_t size = dtype_size(tensor.storage.dtype);
  // Bounds first: a view that repeats few elements (stride 0) may claim any size.
  const Storage storage = state_->storage_of(tensor, name);
  std::uint64_t elements = 1;
  bool fits = lies_within(tensor, storage.bytes / size);
  for (const auto dim : tensor.sizes) fits &= !__builtin_mul_overflow(elements, dim, &elements);
  if (!fits || (elements > storage.bytes / size && elements > (1u << 20)))
    invalid_input("{}: tensor \"{}\" reaches beyond its storage of {} bytes; copy the file again",
                  state_->file, name, storage.bytes);
  Tensor out(tensor.storage.dtype, Shape(tensor.sizes.begin(), tensor.sizes.end()));
  if (elements > 0) copy_strided(storage.data, tensor, size, out.raw());
  return out;
}

bool TorchFile::fits(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const std::string_view head = view_of(mapped);
  return head.substr(0, kZipMagic.size()) == kZipMagic || head.substr(0, kLegacyMagic.size()) == kLegacyMagic;
}

}  // namespace edgeclip
