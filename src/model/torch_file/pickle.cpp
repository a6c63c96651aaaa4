#include "model/torch_file/pickle.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"

namespace edgeclip {

using Kind = PickleValue::Kind;

namespace {

// Opcodes of Lib/pickletools.py that PyTorch's writers use (protocols 2 to 4).
// clang-format off
enum Op : unsigned char {
  kMarkOp = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kBinFloat = 'G', kBinInt = 'J', kBinInt1 = 'K',
  kBinInt2 = 'M', kNoneOp = 'N', kBinPersId = 'Q', kReduce = 'R', kBinString = 'T', kShortBinString = 'U',
  kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobalOp = 'c', kAppends = 'e', kBinGet = 'h', kLongBinGet = 'j',
  kBinPut = 'q', kLongBinPut = 'r', kSetItem = 's', kTupleOp = 't', kSetItems = 'u', kEmptyDict = '}', kEmptyList = ']',
  kEmptyTuple = ')', kBinBytes = 'B', kShortBinBytes = 'C', kProto = 0x80, kNewObj = 0x81, kTuple1 = 0x85,
  kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a, kLong4 = 0x8b,
  kShortBinUnicode = 0x8c, kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95,
};
// clang-format on

constexpr std::size_t kMostValues = 20'000'000;  // a large model has thousands

struct StorageType {
  const char* name;
  DType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", DType::f32}, {"torch.DoubleStorage", DType::f64},
    {"torch.HalfStorage", DType::f16},  {"torch.BFloat16Storage", DType::bf16},
    {"torch.LongStorage", DType::i64},  {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16}, {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},   {"torch.BoolStorage", DType::boolean}};

constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr const char* kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr const char* kRebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";

const StorageType* storage_type(const std::string& name) {
  const auto* found = std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes),
                                   [&](const StorageType& type) { return name == type.name; });
  return found == std::end(kStorageTypes) ? nullptr : found;
}

/// A class of a TorchScript archive: its objects are bags of attributes.
bool is_script_class(const std::string& name) { return name.compare(0, 10, "__torch__.") == 0; }

bool is_known(const std::string& name) {
  return name == kOrderedDict || name == kRebuildTensor || name == kRebuildParameter ||
         name == kRebuildParameterWithState || is_script_class(name) || storage_type(name) != nullptr;
}

}  // namespace

class Pickle::Machine {
 public:
  Machine(std::string_view* bytes, const std::string& name, std::deque<PickleValue>& values)
      : bytes_(*bytes), name_(name), values_(values) {}

  const PickleValue* run() {
    while (true) {
      const auto op = static_cast<unsigned char>(take(1)[0]);
      if (op == kStop) return pop();
      step(op);
    }
  }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    invalid_input("{}: its pickle is damaged or not one of PyTorch ({}); copy it again", name_, what);
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size()) damaged("it is cut off");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  template <class T>
  T number() {  // little endian, as this machine
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string line() {
    const auto end = bytes_.find('\n');
    if (end == std::string_view::npos) damaged("a name has no end");
    const std::string text(take(end + 1).substr(0, end));
    return text;
  }

  PickleValue* make(Kind kind) {
    if (values_.size() >= kMostValues) damaged("it holds too many values");
    values_.emplace_back();
    values_.back().kind = kind;
    return &values_.back();
  }
  void push(PickleValue* value) { stack_.push_back(value); }
  void push_int(std::int64_t integer, Kind kind = Kind::kInt) {
    PickleValue* value = make(kind);
    value->integer = integer;
    push(value);
  }
  void push_text(std::string_view text) {
    PickleValue* value = make(Kind::kText);
    value->text = text;
    push(value);
  }
  PickleValue* pop() {
    if (stack_.empty() || stack_.back()->kind == Kind::kMark) damaged("its stack is empty");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue* top(Kind kind, const char* what) {
    if (stack_.empty() || stack_.back()->kind != kind) damaged(what);
    return stack_.back();
  }
  /// What lies above the last mark, which goes too.
  std::vector<PickleValue*> pop_to_mark() {
    const auto mark =
        std::find_if(stack_.rbegin(), stack_.rend(), [](const auto* v) { return v->kind == Kind::kMark; });
    if (mark == stack_.rend()) damaged("a mark is missing");
    std::vector<PickleValue*> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }
  void push_tuple(std::size_t count) {
    std::vector<const PickleValue*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    PickleValue* tuple = make(Kind::kTuple);
    tuple->items = std::move(items);
    push(tuple);
  }
  /// An integer of `size` bytes, two's complement; one of over 8 is only known to be huge.
  void push_long(std::uint64_t size) {
    const std::string_view bytes = take(size);
    PickleValue* value = make(Kind::kInt);
    value->huge = size > 8;
    for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i)
      value->integer |= static_cast<std::int64_t>(
          static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i));
    if (size > 0 && size < 8 && (static_cast<std::uint8_t>(bytes[size - 1]) & 0x80) != 0)
      value->integer -= static_cast<std::int64_t>(1) << (8 * size);
    push(value);
  }

  void put(std::uint64_t index) {
    if (stack_.empty() || stack_.back()->kind == Kind::kMark) damaged("nothing to remember");
    memo_[index] = stack_.back();
  }
  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) damaged("it names a value that was not there");
    push(found->second);
  }

  void push_global(const std::string& name) {
    if (!is_known(name))
      invalid_input(
          "{}: its pickle names {}, which is refused: only weights are read, and nothing is executed; save "
          "the plain "
          "state_dict",
          name_, name);
    PickleValue* value = make(Kind::kGlobal);
    value->text = name;
    push(value);
  }

  void set_items(PickleValue* target, const std::vector<PickleValue*>& items) {
    if (target->kind != Kind::kDict || items.size() % 2 != 0) damaged("items are set on no dict");
    for (std::size_t i = 0; i < items.size(); i += 2) target->entries.emplace_back(items[i], items[i + 1]);
  }
  void append(PickleValue* target, const std::vector<PickleValue*>& items) {
    if (target->kind != Kind::kList) damaged("items are appended to no list");
    target->items.insert(target->items.end(), items.begin(), items.end());
  }

  void reduce();
  void build();
  void new_object();
  void persistent_id();
  const PickleValue* item(const PickleValue* tuple, std::size_t i, Kind kind, const char* what) const {
    if (tuple->kind != Kind::kTuple || i >= tuple->items.size() || tuple->items[i]->kind != kind)
      damaged(what);
    return tuple->items[i];
  }
  std::uint64_t count_of(const PickleValue* value, const char* what) const {
    if (value->kind != Kind::kInt) damaged(what);
    if (value->huge || value->integer < 0)
      damaged(fmt::format("{} {} in \"{}\"", what,
                          value->huge ? "beyond all bounds" : std::to_string(value->integer), current_key()));
    return static_cast<std::uint64_t>(value->integer);
  }
  std::vector<std::uint64_t> counts_of(const PickleValue* tuple, const char* what) const {
    if (tuple->kind != Kind::kTuple && tuple->kind != Kind::kList) damaged(what);
    std::vector<std::uint64_t> counts;
    for (const auto* value : tuple->items) counts.push_back(count_of(value, what));
    return counts;
  }
  /// The name under which the value that is being built will stand: the last text that waits on the stack.
  std::string current_key() const {
    const auto key =
        std::find_if(stack_.rbegin(), stack_.rend(), [](const auto* v) { return v->kind == Kind::kText; });
    return key == stack_.rend() ? "" : (*key)->text.substr(0, 200);
  }
  void rebuild_tensor(const PickleValue* arguments);
  void step(unsigned char op);

  std::string_view& bytes_;
  const std::string& name_;
  std::deque<PickleValue>& values_;
  std::vector<PickleValue*> stack_;
  std::map<std::uint64_t, PickleValue*> memo_;
};

/// (storage, offset, sizes, strides, requires_grad, hooks, ...).
void Pickle::Machine::rebuild_tensor(const PickleValue* arguments) {
  PickleValue* value = make(Kind::kTensor);
  if (arguments->items.size() < 4) damaged("a tensor without sizes");
  value->tensor.storage = item(arguments, 0, Kind::kStorage, "a tensor without storage")->tensor.storage;
  value->tensor.offset = count_of(arguments->items[1], "a tensor's offset");
  value->tensor.sizes = counts_of(arguments->items[2], "a tensor's size");
  value->tensor.strides = counts_of(arguments->items[3], "a tensor's stride");
  if (value->tensor.sizes.size() != value->tensor.strides.size())
    damaged("a tensor's sizes and strides differ in number");
  push(value);
}

void Pickle::Machine::reduce() {
  const PickleValue* arguments = pop();
  const PickleValue* callee = pop();
  if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) damaged("a call of no function");
  if (callee->text == kOrderedDict) {
    PickleValue* dict = make(Kind::kDict);
    if (!arguments->items.empty()) {  // a list of (key, value)
      if (arguments->items[0]->kind != Kind::kList) damaged("an OrderedDict of no list");
      for (const auto* pair : arguments->items[0]->items) {
        if ((pair->kind != Kind::kTuple && pair->kind != Kind::kList) || pair->items.size() != 2)
          damaged("an OrderedDict of no pairs");
        dict->entries.emplace_back(pair->items[0], pair->items[1]);
      }
    }
    push(dict);
  } else if (callee->text == kRebuildTensor) {
    rebuild_tensor(arguments);
  } else if (callee->text == kRebuildParameter || callee->text == kRebuildParameterWithState) {
    PickleValue* value = make(Kind::kTensor);
    value->tensor = item(arguments, 0, Kind::kTensor, "a parameter without tensor")->tensor;
    push(value);
  } else {
    damaged("a call of " + callee->text);
  }
}

void Pickle::Machine::new_object() {
  pop();  // arguments
  const PickleValue* type = pop();
  if (type->kind != Kind::kGlobal || !is_script_class(type->text)) damaged("an object of no class");
  PickleValue* object = make(Kind::kObject);
  object->text = type->text;
  push(object);
}

/// Attributes of an object; those of an OrderedDict (a state_dict's _metadata) are no weights.
void Pickle::Machine::build() {
  const PickleValue* state = pop();
  if (stack_.empty()) damaged("a state of nothing");
  PickleValue* target = stack_.back();
  if (target->kind == Kind::kDict) return;
  if (target->kind != Kind::kObject || state->kind != Kind::kDict) damaged("a state of no object");
  target->entries.insert(target->entries.end(), state->entries.begin(), state->entries.end());
}

/// ("storage", type, key, location, elements[, view]).
void Pickle::Machine::persistent_id() {
  const PickleValue* id = pop();
  if (item(id, 0, Kind::kText, "a persistent id of no storage")->text != "storage")
    damaged("a persistent id of no storage");
  const StorageType* type = storage_type(item(id, 1, Kind::kGlobal, "a storage without type")->text);
  if (type == nullptr) damaged("a storage of unknown type");
  PickleValue* value = make(Kind::kStorage);
  value->tensor.storage.key = item(id, 2, Kind::kText, "a storage without key")->text;
  value->tensor.storage.dtype = type->dtype;
  value->tensor.storage.elements =
      count_of(item(id, 4, Kind::kInt, "a storage without size"), "a storage's size");
  push(value);
}

// clang-format off
void Pickle::Machine::step(unsigned char op) {
  switch (op) {
    case kProto: if (number<std::uint8_t>() > 5) damaged("a protocol beyond 5"); break;
    case kFrame: number<std::uint64_t>(); break;
    case kMarkOp: push(make(Kind::kMark)); break;
    case kPop: if (stack_.empty()) damaged("its stack is empty"); stack_.pop_back(); break;
    case kPopMark: pop_to_mark(); break;
    case kDup: if (stack_.empty()) damaged("its stack is empty"); push(stack_.back()); break;
    case kNoneOp: push(make(Kind::kNone)); break;
    case kNewTrue: push_int(1, Kind::kBool); break;
    case kNewFalse: push_int(0, Kind::kBool); break;
    case kBinInt: push_int(number<std::int32_t>()); break;
    case kBinInt1: push_int(number<std::uint8_t>()); break;
    case kBinInt2: push_int(number<std::uint16_t>()); break;
    case kLong1: push_long(number<std::uint8_t>()); break;
    case kLong4: push_long(number<std::uint32_t>()); break;
    case kBinFloat: number<std::uint64_t>(); push(make(Kind::kFloat)); break;
    case kBinUnicode: case kBinString: case kBinBytes: push_text(take(number<std::uint32_t>())); break;
    case kShortBinUnicode: case kShortBinString: case kShortBinBytes: push_text(take(number<std::uint8_t>())); break;
    case kEmptyDict: push(make(Kind::kDict)); break;
    case kEmptyList: push(make(Kind::kList)); break;
    case kEmptyTuple: push_tuple(0); break;
    case kTuple1: push_tuple(1); break;
    case kTuple2: push_tuple(2); break;
    case kTuple3: push_tuple(3); break;
    case kTupleOp: {
      const auto items = pop_to_mark();
      PickleValue* tuple = make(Kind::kTuple);
      tuple->items.assign(items.begin(), items.end());
      push(tuple);
      break;
    }
    case kAppend: { PickleValue* value = pop(); append(top(Kind::kList, "an append to no list"), {value}); break; }
    case kAppends: { const auto items = pop_to_mark(); append(top(Kind::kList, "an append to no list"), items); break; }
    case kSetItem: {
      PickleValue* value = pop();
      PickleValue* key = pop();
      set_items(top(Kind::kDict, "an item of no dict"), {key, value});
      break;
    }
    case kSetItems: { const auto items = pop_to_mark(); set_items(top(Kind::kDict, "items of no dict"), items); break; }
    case kBinPut: put(number<std::uint8_t>()); break;
    case kLongBinPut: put(number<std::uint32_t>()); break;
    case kMemoize: put(memo_.size()); break;
    case kBinGet: get(number<std::uint8_t>()); break;
    case kLongBinGet: get(number<std::uint32_t>()); break;
    case kGlobalOp: { const std::string module = line(); push_global(module + "." + line()); break; }
    case kStackGlobal: {
      const std::string name = pop()->text;
      push_global(pop()->text + "." + name);
      break;
    }
    case kBinPersId: persistent_id(); break;
    case kReduce: reduce(); break;
    case kNewObj: new_object(); break;
    case kBuild: build(); break;
    default: damaged(fmt::format("opcode 0x{:02x}", op));
  }
}
// clang-format on

Pickle::Pickle(std::string_view* bytes, const std::string& name) {
  Machine machine(bytes, name, values_);
  root_ = machine.run();
}

}  // namespace edgeclip
