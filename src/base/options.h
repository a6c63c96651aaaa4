#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"

/// Option structs: each field is named once, in fields(), for parsing, printing, --set and documentation.
///
///   struct LoraOptions {
///     int rank = 16;            ///< r of A (r, in) and B (out, r)
///     std::string bias = "none";
///     template <class Visitor> void fields(Visitor& v) {
///       v("rank", rank, "r of A (r, in) and B (out, r)");
///       v("bias", bias, "which biases train", {"none", "all"});   // the allowed values
///     }
///     void validate(const std::string& where) const;              // optional: throws InvalidInput
///   };
///
/// A field is bool, an integer, a float, std::string, a std::vector of these (but bool) or of option structs,
/// a std::map from names to these, or an option struct.  fields() only names its fields; it may depend on the
/// value of one that it names before (the kind of a tower decides which sizes it has).  Parsing is strict: an
/// unknown key names the nearest one, a wrong type says what was expected and what was found.
///
/// A field's type is known to this header as a table of a few small functions; everything else is compiled
/// once, in options.cpp, however many option structs there are.
namespace edgeclip {

using Choices = std::initializer_list<const char*>;

class FieldVisitor;

namespace detail {

enum class FieldKind : std::uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kList,
  kMap,
  kOptions
};

struct FieldType;

/// A field of any type.
struct Field {
  const FieldType* type;
  void* value;
};

/// What can be done with a field's type; what does not apply to its kind is null.
struct FieldType {
  FieldKind kind;
  // kList and kMap
  const FieldType* item = nullptr;
  void (*clear)(void* value) = nullptr;
  /// Appends an item to a list, or puts one under `key` of a map.
  void* (*add)(void* value, const std::string& key) = nullptr;
  void (*each)(void* value, const std::function<void(const std::string& key, void* item)>& use) = nullptr;
  // kOptions
  void (*fields)(void* value, FieldVisitor& visitor) = nullptr;
  void (*validate)(const void* value, const std::string& where) = nullptr;  ///< null: every value is valid
};

template <class T>
Field field_of(T& value);

}  // namespace detail

/// What option structs are visited by.
class FieldVisitor {
 public:
  template <class T>
  void operator()(const char* key, T& value, const char* doc, Choices choices = {}) {
    visit(key, detail::field_of(value), doc, choices);
  }
  /// A field that is written only where it is not `usual`: what few files have need not stand in all of them.
  template <class T>
  void unless(const T& usual, const char* key, T& value, const char* doc) {
    if (!writes() || value != usual) visit(key, detail::field_of(value), doc, {});
  }

 protected:
  ~FieldVisitor() = default;
  virtual bool writes() const { return false; }
  virtual void visit(const char* key, detail::Field field, const char* doc, Choices choices) = 0;
};

namespace detail {

template <class T, class = void>
struct IsOptions : std::false_type {};
template <class T>
struct IsOptions<T, std::void_t<decltype(std::declval<T&>().fields(std::declval<FieldVisitor&>()))>>
    : std::true_type {};
template <class T, class = void>
struct HasValidate : std::false_type {};
template <class T>
struct HasValidate<T, std::void_t<decltype(std::declval<const T&>().validate(std::declval<std::string>()))>>
    : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
constexpr FieldKind integer_kind() {
  constexpr bool with_sign = std::is_signed_v<T>;
  switch (sizeof(T)) {
    case 1:
      return with_sign ? FieldKind::kInt8 : FieldKind::kUint8;
    case 2:
      return with_sign ? FieldKind::kInt16 : FieldKind::kUint16;
    case 4:
      return with_sign ? FieldKind::kInt32 : FieldKind::kUint32;
    default:
      return with_sign ? FieldKind::kInt64 : FieldKind::kUint64;
  }
}

template <class T>
constexpr FieldType field_type();
template <class T>
inline constexpr FieldType kFieldType = field_type<T>();

template <class T>
constexpr FieldType field_type() {
  if constexpr (IsOptions<T>::value) {
    FieldType type{FieldKind::kOptions};
    type.fields = [](void* value, FieldVisitor& visitor) { static_cast<T*>(value)->fields(visitor); };
    if constexpr (HasValidate<T>::value)
      type.validate = [](const void* value, const std::string& where) {
        static_cast<const T*>(value)->validate(where);
      };
    return type;
  } else if constexpr (IsVector<T>::value) {
    static_assert(!std::is_same_v<typename T::value_type, bool>, "a list of bool has no items in memory");
    FieldType type{FieldKind::kList};
    type.item = &kFieldType<typename T::value_type>;
    type.clear = [](void* value) { static_cast<T*>(value)->clear(); };
    type.add = [](void* value, const std::string&) -> void* {
      return &static_cast<T*>(value)->emplace_back();
    };
    type.each = [](void* value, const std::function<void(const std::string&, void*)>& use) {
      for (auto& item : *static_cast<T*>(value)) use({}, &item);
    };
    return type;
  } else if constexpr (IsMap<T>::value) {
    FieldType type{FieldKind::kMap};
    type.item = &kFieldType<typename T::mapped_type>;
    type.clear = [](void* value) { static_cast<T*>(value)->clear(); };
    type.add = [](void* value, const std::string& key) -> void* { return &(*static_cast<T*>(value))[key]; };
    type.each = [](void* value, const std::function<void(const std::string&, void*)>& use) {
      for (auto& [key, item] : *static_cast<T*>(value)) use(key, &item);
    };
    return type;
  } else if constexpr (std::is_same_v<T, bool>) {
    return {FieldKind::kBool};
  } else if constexpr (std::is_integral_v<T>) {
    return {integer_kind<T>()};
  } else if constexpr (std::is_same_v<T, float>) {
    return {FieldKind::kFloat};
  } else if constexpr (std::is_same_v<T, double>) {
    return {FieldKind::kDouble};
  } else {
    static_assert(std::is_same_v<T, std::string>,
                  "a field is a bool, a number, a string, a list, a map or an option struct");
    return {FieldKind::kString};
  }
}

template <class T>
Field field_of(T& value) {
  return {&kFieldType<T>, &value};
}
/// For reading: fields() takes an options struct that it could change, but does not.
template <class T>
Field field_of(const T& value) {
  return {&kFieldType<T>, const_cast<T*>(&value)};
}

/// "FILE: a" -> "FILE: a.", in front of a key; "FILE: " and "" stay.
std::string key_prefix(const std::string& where);

Json print_field(Field field);
void read_options(const Json& json, Field options, const std::string& where);
void set_option(Field options, const std::string& setting);
void load_options(Field options, const std::vector<std::string>& files,
                  const std::vector<std::string>& settings, const Json& given);
std::string describe_options(Field options);

}  // namespace detail

/// Fields named in json replace those of options.  where: "FILE: " (or ""), the start of every message.
template <class T>
void options_from_json(const Json& json, T& options, const std::string& where) {
  const detail::Field field = detail::field_of(options);
  detail::read_options(json, field, where);
  if (field.type->validate) field.type->validate(&options, detail::key_prefix(where));
}

template <class T>
Json options_to_json(const T& options) {
  return detail::print_field(detail::field_of(options));
}

/// `--set a.b=value`: the value is read as the field's type says ("0.1", "true", "[1,2]"; strings need no
/// quotes, but may have JSON's).  Not validated yet.
template <class T>
void set_option(T& options, const std::string& setting) {
  detail::set_option(detail::field_of(options), setting);
}

/// Each FILE.json, then each --set, then `given` (a JSON object: the command's own flags), in order;
/// validated once, at the end, because two values may be right only together.
template <class T>
T load_options(const std::vector<std::string>& files, const std::vector<std::string>& settings,
               T options = {}, const Json& given = Json::object()) {
  detail::load_options(detail::field_of(options), files, settings, given);
  return options;
}

/// Every field with its default, meaning and allowed values: for --help and docs.
template <class T>
std::string describe_options(const T& options) {
  return detail::describe_options(detail::field_of(options));
}

}  // namespace edgeclip
