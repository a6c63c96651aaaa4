#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/tensor.h"

/// A restricted reader of Python's pickles, for the weights in PyTorch's files: it builds plain containers
/// and descriptions of tensors, and calls nothing.  A name outside the list of pickle.cpp is refused.
namespace edgeclip {

/// Elements of a storage, as a pickle's persistent id names it.
struct StorageRef {
  std::string key;  ///< the record's name in the zip, or the key of the legacy form
  DType dtype = DType::f32;
  std::uint64_t elements = 0;  ///< as the pickle says; the file may hold fewer
};

/// A strided view of a storage.  Not checked against it yet; sizes, strides and offset are not negative.
struct TensorRef {
  StorageRef storage;
  std::uint64_t offset = 0;  ///< elements
  std::vector<std::uint64_t> sizes, strides;
};

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kList,
    kTuple,
    kDict,
    kObject,
    kTensor,
    kStorage,
    kGlobal,
    kMark
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;               ///< kInt, kBool
  bool huge = false;                      ///< kInt that does not fit: integer means nothing
  std::string text;                       ///< kText; kGlobal and kObject: "module.name"
  TensorRef tensor;                       ///< kTensor; kStorage: its storage
  std::vector<const PickleValue*> items;  ///< kList, kTuple
  std::vector<std::pair<const PickleValue*, const PickleValue*>> entries;  ///< kDict; kObject: attributes
};

/// One pickle, with all its values.  Values may be shared, and a list may hold itself.
class Pickle {
 public:
  /// Reads from *bytes and removes what it read (a file may hold several in a row).  name: for messages.
  /// Throws InvalidInput naming what is refused or damaged.
  Pickle(std::string_view* bytes, const std::string& name);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  const PickleValue& root() const { return *root_; }

 private:
  class Machine;
  std::deque<PickleValue> values_;  ///< an arena: nesting costs no stack when it goes
  const PickleValue* root_ = nullptr;
};

}  // namespace edgeclip
